//! Rows to columns: set-wise statements take one array per column.
//! Knows the shape of the rows and of no table.

/// Collects one field of every row: `column!(rows, |r| r.merchant_id)`.
macro_rules! column {
    ($rows:expr, |$row:ident| $value:expr) => {
        $rows.iter().map(|$row| $value).collect::<Vec<_>>()
    };
}
pub(super) use column;
