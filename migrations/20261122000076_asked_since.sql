-- A record that cannot be read or understood is asked for every hour, and nobody hears of it. Since when it has been asked
-- for tells when somebody should.

alter table fetches add column asked_at timestamptz;
update fetches set asked_at = due_at;
alter table fetches alter column asked_at set not null;
