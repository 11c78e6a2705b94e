//! The whole engine against hostile providers: webhooks over HTTP, Postgres, the stand-ins and one moved clock.

mod fetched;
mod rows;
mod rows_people;
mod stage;
mod upheld;
