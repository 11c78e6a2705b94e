-- Who the disputes belong to, and with which credentials each provider is spoken to.
-- The merchant's id leads every key, so that the data can be split by merchant later.

-- Ids are handed out in blocks of 1000: a process takes a block and numbers rows in memory, so a row that
-- others refer to has its id before it is written and whole batches go in as one statement.
create sequence ids as bigint increment by 1000 start with 1000;

create table merchants (
    merchant_id bigint not null,
    name text not null,
    -- Set while nothing irreversible may be done for this merchant, by whom and since when.
    kill_switch_at timestamptz,
    kill_switch_by text,
    -- The version of the rules in force; null until rules are published.
    ruleset_version integer,
    created_at timestamptz not null,
    constraint merchants_pkey primary key (merchant_id),
    constraint merchants_name_key unique (name),
    constraint merchants_name_shape check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    constraint merchants_kill_switch_named check ((kill_switch_at is null) = (kill_switch_by is null))
);

create table accounts (
    merchant_id bigint not null references merchants,
    account_id bigint not null,
    provider text not null,
    name text not null,
    base_url text,
    tolerance_s integer not null,
    -- Sealed, newest first. Empty: every delivery is refused.
    webhook_secrets bytea[] not null,
    -- One sealed JSON object of named credentials.
    credentials bytea not null,
    updated_at timestamptz not null,
    -- Set when the configuration no longer names the account: deliveries are refused, nothing is called.
    retired_at timestamptz,
    constraint accounts_pkey primary key (merchant_id, account_id),
    constraint accounts_address_key unique (provider, name),
    constraint accounts_name_shape check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    constraint accounts_tolerance_sane check (tolerance_s between 1 and 86400)
);

-- A merchant's rules as text. A version never changes once it is here.
create table rulesets (
    merchant_id bigint not null references merchants,
    version integer not null,
    rules text not null,
    digest bytea not null,
    published_at timestamptz not null,
    published_by text not null,
    constraint rulesets_pkey primary key (merchant_id, version),
    constraint rulesets_version_counts check (version > 0)
);

alter table merchants
    add constraint merchants_ruleset_fkey foreign key (merchant_id, ruleset_version) references rulesets (merchant_id, version);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: a row is never changed or removed', tg_table_name
        using errcode = 'restrict_violation';
end
$$;

create trigger rulesets_append_only before update or delete on rulesets
    for each row execute function refuse_change();
