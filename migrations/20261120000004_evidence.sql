-- What the merchant knows and can prove.

-- Facts about an order, found by the provider's payment id (or the dispute's id). The newest word stands;
-- each decision keeps the facts it saw.
create table facts (
    merchant_id bigint not null references merchants,
    subject text not null,
    facts json not null,
    version integer not null,
    source text not null,
    updated_at timestamptz not null,
    constraint facts_pkey primary key (merchant_id, subject),
    constraint facts_is_an_object check (json_typeof(facts) = 'object')
);

create table files (
    merchant_id bigint not null references merchants,
    file_id bigint not null,
    name text not null,
    media_type text not null,
    sha256 bytea not null,
    size_bytes bigint not null,
    content bytea not null,
    added_at timestamptz not null,
    added_by text not null,
    constraint files_pkey primary key (merchant_id, file_id),
    constraint files_content_key unique (merchant_id, sha256, name)
);

-- The id a provider gave a file when it was uploaded to an account.
create table file_uploads (
    merchant_id bigint not null,
    file_id bigint not null,
    account_id bigint not null,
    provider_file_ref text not null,
    expires_at timestamptz,
    constraint file_uploads_pkey primary key (merchant_id, file_id, account_id),
    constraint file_uploads_file_fkey foreign key (merchant_id, file_id) references files
);

-- Evidence that a person attached to a dispute: words, a file of ours, or a provider's file id.
create table evidence (
    merchant_id bigint not null,
    dispute_id bigint not null,
    field text not null,
    n integer not null,
    words text,
    file_id bigint,
    provider_file_ref text,
    added_at timestamptz not null,
    added_by text not null,
    constraint evidence_pkey primary key (merchant_id, dispute_id, field, n),
    constraint evidence_dispute_fkey foreign key (merchant_id, dispute_id) references disputes,
    constraint evidence_one_form check (num_nonnulls(words, file_id, provider_file_ref) = 1)
);

-- Issuers' reports of fraud that are not disputes.
create table fraud_notices (
    merchant_id bigint not null references merchants,
    account_id bigint not null,
    notice_ref text not null,
    payment_ref text,
    charge_ref text,
    fraud_type text not null,
    actionable boolean not null,
    live boolean not null,
    as_of timestamptz not null,
    constraint fraud_notices_pkey primary key (merchant_id, account_id, notice_ref)
);
