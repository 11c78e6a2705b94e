-- A database whose clock is not the machine's: the demo's. Commands beside it read here what time it is, and no
-- engine on the machine's clock runs on it. Only a database that has no account yet can become one, and a clock
-- that is moved is known to no configuration and no environment: it never meets real disputes.

create table moved_clock (
    only_row boolean not null default true,
    -- Microseconds from the machine's clock to this database's.
    away_us bigint not null,
    constraint moved_clock_pkey primary key (only_row),
    constraint moved_clock_is_one_row check (only_row)
);
