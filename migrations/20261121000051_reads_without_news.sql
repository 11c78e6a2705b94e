-- A read that tells nothing new is kept nowhere, so it must not move the instant that news are ordered by: a webhook
-- from before it would be stale here and news to a replay (P7). When such a read was last taken is remembered beside
-- it, so that news from before it which differ are asked about at once.

alter table disputes add column read_as_of timestamptz;
