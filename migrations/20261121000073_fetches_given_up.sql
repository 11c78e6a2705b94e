-- Not every provider's signature covers the whole body, so that somebody may name disputes that are nowhere. Fetches of
-- disputes that are not known here are counted, so that they are given up some time and cannot fill the table.

alter table fetches
    add column refusals integer not null default 0,
    add column of_unknown boolean not null default false;

create index fetches_of_unknown on fetches (merchant_id, account_id) where of_unknown;
