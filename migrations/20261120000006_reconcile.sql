-- How far each account has been read, and how large the gap was that polling closed.

create table watermarks (
    merchant_id bigint not null,
    account_id bigint not null,
    -- Everything that changed at the provider before this instant has been read.
    changed_until timestamptz not null,
    -- Where a listing that did not finish goes on.
    cursor text,
    listing_since timestamptz,
    next_at timestamptz not null,
    last_poll_at timestamptz,
    last_poll_error text,
    last_webhook_at timestamptz,
    disputes_found_by_poll bigint not null,
    changes_found_by_poll bigint not null,
    fence bigint not null,
    leased_until timestamptz,
    constraint watermarks_pkey primary key (merchant_id, account_id),
    constraint watermarks_account_fkey foreign key (merchant_id, account_id) references accounts
);

create index watermarks_next on watermarks (next_at);

-- Disputes to read by the provider's id, because something pointed at them without saying what they are: a
-- thin event, a person, a listing. Gone once read.
create table fetches (
    merchant_id bigint not null,
    account_id bigint not null,
    dispute_ref text not null,
    due_at timestamptz not null,
    attempts integer not null,
    -- The delivery that asked, for the history.
    delivery_id bigint,
    last_error text,
    constraint fetches_pkey primary key (merchant_id, account_id, dispute_ref),
    constraint fetches_account_fkey foreign key (merchant_id, account_id) references accounts
);

create index fetches_due on fetches (due_at);
