-- A platform's webhooks tell of the accounts connected to it, and calls for those go with the platform's
-- credentials. An account says which one it is at its provider, and via whom it is reached.

alter table accounts
    -- The provider's own id of the account.
    add column provider_account text,
    -- The name of the platform's account, of the same provider.
    add column via text,
    add constraint accounts_via_names_one check (via is null or (provider_account is not null and via <> name));

-- Whose a platform's delivery is, is never in doubt.
create unique index accounts_connected_key on accounts (provider, via, provider_account)
    where via is not null and retired_at is null;

alter table deliveries
    -- The provider's id of the account it is for, where that was not configured as it came: it stands under the
    -- platform's account, and is handed over when it is.
    add column on_behalf_of text;
