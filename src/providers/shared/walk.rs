//! Where a walk stands through a list that is paged by counting rows, as [`super::super::Page::next`] carries it.
//! The list's end in time is set by its first page, so that what comes in meanwhile does not move what follows.

use crate::providers::{Answer, CallLog, Page};

/// Where the next page starts: it asks for what lies before `to`, and leaves out `skip` of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// In the unit of the folder that wrote it.
    pub to: i64,
    pub skip: usize,
    /// The first id of the page before: seeing it again means that `skip` is not honoured.
    pub first: String,
}

impl Cursor {
    /// Where an earlier page said, or the first page of a walk that ends at `to`.
    ///
    /// # Errors
    /// A refusal of what no page returned.
    pub fn at(cursor: Option<&str>, to: i64) -> Result<Self, (Answer<Page>, Vec<CallLog>)> {
        match cursor.map(Self::parse) {
            None => Ok(Self { to, skip: 0, first: String::new() }),
            Some(Some(cursor)) => Ok(cursor),
            Some(None) => {
                let reason = "the cursor is not one that an earlier page returned".to_owned();
                let code = Some("bad_cursor".to_owned());
                Err((Answer::Refused { status: 0, code, reason }, Vec::new()))
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let to = parts.next()?.parse().ok()?;
        let skip = parts.next()?.parse().ok()?;
        Some(Self { to, skip, first: parts.next()?.to_owned() })
    }

    pub fn print(&self) -> String {
        format!("{}.{}.{}", self.to, self.skip, self.first)
    }

    /// # Errors
    /// In words, when a page that begins with `first` is the one before it again.
    pub fn must_move(&self, first: &str) -> Result<(), String> {
        match self.skip > 0 && !first.is_empty() && first == self.first {
            true => Err(format!("the page after {} rows starts with {first} again", self.skip)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let cursor = Cursor { to: -7, skip: 12, first: "dp.1".to_owned() };
        assert_eq!(Cursor::at(Some(&cursor.print()), 0).unwrap(), cursor);
        assert_eq!(Cursor::at(None, 9).unwrap(), Cursor { to: 9, skip: 0, first: String::new() });
        for other in ["", "1", "1.2", "x.2.dp", "1.-2.dp", "1.2x.dp"] {
            let (answer, log) = Cursor::at(Some(other), 0).unwrap_err();
            assert!(matches!(answer, Answer::Refused { status: 0, .. }) && log.is_empty(), "{other}");
        }
    }

    #[test]
    fn a_page_that_comes_again_is_told_from_one_without_ids() {
        let cursor = Cursor { to: 0, skip: 10, first: "dp_1".to_owned() };
        assert!(cursor.must_move("dp_1").is_err());
        assert!(cursor.must_move("dp_2").is_ok());
        let unnamed = Cursor { first: String::new(), ..cursor.clone() };
        assert!(unnamed.must_move("").is_ok());
        assert!(Cursor { skip: 0, ..cursor }.must_move("dp_1").is_ok());
    }
}
