-- What became of each alert in each channel, so that a try again goes only to those that failed, and the
-- hourly budget that keeps a flood of alerts from drowning the one that matters.

alter table alerts
    -- When the round in course began: a going-out to every channel of the route.
    add column round_at timestamptz,
    -- When it was let through the merchant's hourly budget. Pages and digests need none.
    add column budget_at timestamptz,
    -- The digest that tells of it instead.
    add column digest_id bigint,
    add constraint alerts_round_when check ((sends = 0) = (round_at is null)),
    -- What must be acknowledged is never folded into a digest.
    add constraint alerts_page_is_never_folded check (digest_id is null or (severity <> 'page' and not needs_ack)),
    add constraint alerts_folded_waits check (digest_id is null or next_at is null),
    add constraint alerts_settled_waits check (state in ('raised', 'sent') or next_at is null);

create index alerts_budget on alerts (merchant_id, budget_at) where budget_at is not null;
create index alerts_folded on alerts (merchant_id, digest_id) where digest_id is not null and state = 'raised';

create table alert_sends (
    merchant_id bigint not null,
    alert_id bigint not null,
    round integer not null,
    channel text not null,
    outcome text not null,
    tries integer not null,
    at timestamptz not null,
    error text,
    constraint alert_sends_pkey primary key (merchant_id, alert_id, round, channel),
    constraint alert_sends_alert_fkey foreign key (merchant_id, alert_id) references alerts,
    constraint alert_sends_outcome_known check (outcome in ('delivered', 'failed', 'stopped')),
    constraint alert_sends_error_when check ((outcome = 'delivered') = (error is null))
);

-- Endpoints that told us to stop (HTTP 410). Known by name and a digest of their address: one that is
-- configured anew is asked again.
create table stopped_channels (
    channel text not null,
    fingerprint bytea not null,
    stopped_at timestamptz not null,
    why text not null,
    constraint stopped_channels_pkey primary key (channel, fingerprint)
);
