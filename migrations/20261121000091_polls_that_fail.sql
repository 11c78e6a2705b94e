-- A poll that failed is no poll: `last_poll_at` tells of the last that went through, and this since when none has, so
-- that people hear of an account that nobody compares any more.

alter table watermarks
    add column failing_since timestamptz,
    add constraint watermarks_failing_why check (failing_since is null or last_poll_error is not null);

update watermarks set failing_since = last_poll_at where last_poll_error is not null;
