-- Orders that merchants' own programs gave, so that one which is given again is not carried out again: the row is
-- written in the transaction of the order itself. Whoever comes again is told the first answer, or, while there
-- is none, how far it has come.

create table api_orders (
    merchant_id bigint not null,
    order_id bigint not null,
    key_id bigint not null,
    -- The caller's own name for this order; null when it gave none.
    idempotency_key text,
    -- SHA-256 of what was ordered: the same name with another order is a mistake of the caller's.
    digest bytea not null,
    dispute_id bigint not null,
    -- The window in which it was given; null when none was open.
    cycle_n integer,
    ordered_at timestamptz not null,
    -- What the caller was told, once nothing can change it any more.
    answer json,
    answered_at timestamptz,
    constraint api_orders_pkey primary key (merchant_id, order_id),
    constraint api_orders_one_of_a_name unique (merchant_id, key_id, idempotency_key),
    constraint api_orders_key_fkey foreign key (merchant_id, key_id) references api_keys (merchant_id, key_id),
    constraint api_orders_digest_is_sha256 check (octet_length(digest) = 32),
    constraint api_orders_idempotency_key_length check (length(idempotency_key) between 1 and 255),
    constraint api_orders_answered_when check ((answer is null) = (answered_at is null))
);

create index api_orders_by_dispute on api_orders (merchant_id, dispute_id, ordered_at);
