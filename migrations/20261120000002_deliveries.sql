-- Every verified request, byte for byte, before anybody asks what it means (P1). Records read from a
-- provider's API that changed something are kept here too, so that state can be rebuilt (P7).
-- One partition a month; `store::deliveries` makes the coming ones.

create table deliveries (
    merchant_id bigint not null,
    account_id bigint not null,
    delivery_id bigint not null,
    -- First day of the month of received_at, UTC: the partition key.
    month date not null,
    received_at timestamptz not null,
    source text not null,
    -- What the provider repeats on redelivery. Unique within the month by constraint and across the month's
    -- edge by a look at the month before; a repeat that slips through changes nothing (order guard).
    dedupe_key text not null,
    -- The provider's own time: of sending for a webhook, of the record for a read.
    claimed_at timestamptz,
    headers text not null,
    -- lz4: Postgres's default compression of large values was the bottleneck of intake.
    body bytea compression lz4 not null,
    state text not null,
    settled_at timestamptz,
    -- What came of it, in a word, and in words for people.
    outcome text,
    note text,
    dispute_id bigint,
    constraint deliveries_pkey primary key (merchant_id, delivery_id, month),
    constraint deliveries_dedupe_key unique (merchant_id, account_id, dedupe_key, month),
    constraint deliveries_source_known check (source in ('webhook', 'poll', 'read_back', 'receipt')),
    constraint deliveries_state_known check (state in ('kept', 'settled', 'quarantined')),
    constraint deliveries_settled_when check ((state = 'kept') = (settled_at is null)),
    constraint deliveries_settled_how check ((state = 'kept') = (outcome is null))
) partition by range (month);

-- What waits to be read, oldest first.
create index deliveries_kept on deliveries (received_at) where state = 'kept';
-- What waits for a person.
create index deliveries_quarantined on deliveries (merchant_id, received_at) where state = 'quarantined';
