//! Rows to columns: set-wise statements take one array per column.
//! Knows the shape of the rows and of no table.

/// Collects one field of every row: `column!(rows, |r| r.merchant_id)`.
macro_rules! column {
    ($rows:expr, |$row:ident| $value:expr) => {
        $rows.iter().map(|$row| $value).collect::<Vec<_>>()
    };
}
pub(super) use column;

/// Half the time of its `Display`, which writes through a formatter.
pub(super) fn json_text(value: &serde_json::Value) -> String {
    serde_json::to_string(value).expect("a value is text already")
}
