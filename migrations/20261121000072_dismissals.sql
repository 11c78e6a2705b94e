-- A delivery that can never be understood waits for a person for ever, and what is right looks wrong. A person may say
-- that nothing is to be done about it. The delivery stays, and so does who said so and why. Append-only: one that is
-- sent round again and comes back can be dismissed once more.

create table dismissals (
    merchant_id bigint not null,
    delivery_id bigint not null,
    at timestamptz not null,
    by text not null,
    why text not null,
    -- What the delivery had come to.
    outcome text not null,
    note text,
    constraint dismissals_pkey primary key (merchant_id, delivery_id, at),
    constraint dismissals_by_somebody check (by <> ''),
    constraint dismissals_for_a_reason check (why <> '')
);

create trigger dismissals_append_only before update or delete on dismissals
    for each row execute function refuse_change();
