-- People, asked in time. An alert is a row first; channels carry it afterwards, and again until somebody
-- acknowledges it or the reason is gone.

create table alerts (
    merchant_id bigint not null references merchants,
    alert_id bigint not null,
    -- Null for alerts about the engine itself.
    dispute_id bigint,
    cycle_n integer,
    kind text not null,
    severity text not null,
    -- The same news about the same thing is one alert.
    dedupe_key text not null,
    title text not null,
    detail json not null,
    raised_at timestamptz not null,
    state text not null,
    needs_ack boolean not null,
    -- When it is to be sent (again); null once nothing is left to send.
    next_at timestamptz,
    sends integer not null,
    failures integer not null,
    escalation integer not null,
    sent_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note text,
    fence bigint not null,
    leased_until timestamptz,
    constraint alerts_pkey primary key (merchant_id, alert_id),
    constraint alerts_dedupe_key unique (merchant_id, dedupe_key),
    constraint alerts_severity_known check (severity in ('info', 'warning', 'page')),
    constraint alerts_state_known check (state in ('raised', 'sent', 'acknowledged', 'resolved')),
    constraint alerts_acknowledged_when check ((state = 'acknowledged') = (acknowledged_at is not null)),
    constraint alerts_acknowledged_by check ((acknowledged_at is null) = (acknowledged_by is null)),
    -- A page that nobody has acknowledged is always on its way again (P3).
    constraint alerts_page_until_acknowledged check
        (state not in ('raised', 'sent') or not needs_ack or next_at is not null)
);

create index alerts_next on alerts (next_at) where next_at is not null;
create index alerts_open on alerts (merchant_id, dispute_id) where state in ('raised', 'sent');
