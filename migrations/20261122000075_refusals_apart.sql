-- Each webhook that names a dispute has it asked for at once, so that a few of them could use up a provider's refusals
-- within seconds. Refusals count when they are some time apart.

alter table fetches add column refused_at timestamptz;
