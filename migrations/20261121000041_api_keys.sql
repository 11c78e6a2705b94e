-- What merchants' own programs show to be let in. A key is 256 random bits that are shown once and never kept: here
-- is its SHA-256, which is enough for what nobody can guess.

create table api_keys (
    merchant_id bigint not null,
    key_id bigint not null,
    name text not null,
    digest bytea not null,
    -- What it is good for. A key without any would be good for nothing.
    scopes text[] not null,
    created_at timestamptz not null,
    created_by text not null,
    -- To the minute or so, for those who wonder whether a key is still in use.
    used_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    constraint api_keys_pkey primary key (merchant_id, key_id),
    constraint api_keys_digest_key unique (merchant_id, digest),
    constraint api_keys_merchant_id_fkey foreign key (merchant_id) references merchants,
    constraint api_keys_digest_is_sha256 check (octet_length(digest) = 32),
    constraint api_keys_name_shape check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    constraint api_keys_scopes_known check (
        cardinality(scopes) > 0 and scopes <@ array['disputes:read', 'disputes:write']
    ),
    constraint api_keys_revoked_by check ((revoked_at is null) = (revoked_by is null))
);

-- A name says which key is meant, until it is revoked and the next one takes the name over.
create unique index api_keys_one_of_a_name on api_keys (merchant_id, name) where revoked_at is null;
