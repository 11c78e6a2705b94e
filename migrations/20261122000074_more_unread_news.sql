-- A delivery can tell of several disputes and names one of them itself. What each dispute's own history was moved by
-- completes what is kept of those whose provider cannot be read.

insert into unread_news (merchant_id, dispute_id, delivery_id, month)
select distinct h.merchant_id, h.dispute_id, h.delivery_id, d.month
from history h
join deliveries d on d.merchant_id = h.merchant_id and d.delivery_id = h.delivery_id
join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
where h.delivery_id is not null and a.provider in ('adyen', 'prism') and d.source = 'webhook'
on conflict do nothing;
