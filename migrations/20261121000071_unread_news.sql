-- Where a provider's record cannot be read, its webhooks are all that is known, and one that comes late changes what
-- those after it mean. Which deliveries told of a dispute is kept here, so that they are found without a look at
-- every delivery; their bodies stay the one truth. Written for such providers alone.

create table unread_news (
    merchant_id bigint not null,
    dispute_id bigint not null,
    delivery_id bigint not null,
    -- The partition of the delivery.
    month date not null,
    constraint unread_news_pkey primary key (merchant_id, dispute_id, delivery_id)
);

insert into unread_news (merchant_id, dispute_id, delivery_id, month)
select d.merchant_id, d.dispute_id, d.delivery_id, d.month
from deliveries d
join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
where a.provider in ('adyen', 'prism') and d.source = 'webhook' and d.dispute_id is not null
    and (d.state = 'settled' or d.outcome = 'partly');
