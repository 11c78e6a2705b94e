-- An order's name is the program's, not the key's: a key that is replaced by one of the same name gives the same orders.
-- And names are not remembered for ever: a day, and for as long as the window is open in which the order was given.

alter table api_orders add column caller text;

update api_orders o
set caller = k.name
from api_keys k
where k.merchant_id = o.merchant_id and k.key_id = o.key_id;

-- Of two orders that two keys of one name had given under one name of their own, the later is the one that is meant.
update api_orders o
set idempotency_key = null
from api_orders later
where later.merchant_id = o.merchant_id
    and later.caller = o.caller
    and later.idempotency_key = o.idempotency_key
    and later.order_id > o.order_id;

alter table api_orders
    alter column caller set not null,
    drop constraint api_orders_one_of_a_name,
    add constraint api_orders_one_of_a_name unique (merchant_id, caller, idempotency_key);

create index api_orders_by_age on api_orders (ordered_at);
