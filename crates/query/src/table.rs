//! A member's table, read from CSV (RFC 4180) within bounds.

use std::fmt;
use std::io::Read;

use crate::expression::{Decimal, MAX_SCALE};

/// A table in memory. `Debug` shows its shape, never a cell.
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

/// A column's cells: all their text in one string, and where each cell ends.
struct Column {
    name: String,
    text: String,
    ends: Vec<u32>,
}

impl Table {
    /// Reads a CSV file: UTF-8, comma, a header of distinct names, as many cells in each row. Space around cells and
    /// names is dropped; an empty cell is a missing value; blank lines are skipped.
    ///
    /// # Errors
    /// [`TableError`] says where; it never repeats a cell.
    pub fn read(reader: impl Read) -> Result<Self, TableError> {
        let mut csv = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(Bounded { reader, left: MAX_BYTES });
        let mut record = csv::StringRecord::new();
        if !csv.read_record(&mut record).map_err(TableError::read)? {
            return Err(TableError::Empty);
        }
        let mut columns = header(&record)?;
        let mut rows = 0;
        while csv.read_record(&mut record).map_err(TableError::read)? {
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != columns.len() {
                return Err(TableError::Cells { line, found: record.len(), expected: columns.len() });
            }
            rows += 1;
            if rows > MAX_ROWS {
                return Err(TableError::TooManyRows);
            }
            for (column, cell) in columns.iter_mut().zip(&record) {
                column.text.push_str(cell.trim());
                column.ends.push(u32::try_from(column.text.len()).expect("a table has less than 4 GiB"));
            }
        }
        Ok(Self { columns, rows })
    }

    /// Number of rows, without the header.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The columns' names, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The cells of a column, empty where missing.
    pub(crate) fn cells(&self, name: &str) -> Result<impl Iterator<Item = &str>, TableError> {
        let column = self.columns.iter().find(|column| column.name == name);
        let column = column.ok_or_else(|| TableError::NoColumn {
            name: name.into(),
            known: self.columns().map(Into::into).collect(),
        })?;
        let mut start = 0;
        Ok(column.ends.iter().map(move |end| {
            let cell = &column.text[start..*end as usize];
            start = *end as usize;
            cell
        }))
    }

    /// A column's numbers on one scale.
    pub(crate) fn numbers(&self, name: &str) -> Result<Numbers, TableError> {
        let mut values = Vec::with_capacity(self.rows);
        let mut scale = 0;
        for (row, cell) in self.cells(name)?.enumerate() {
            let value = match cell {
                "" => None,
                _ => Some(
                    Decimal::read(cell).ok_or_else(|| TableError::NotANumber { column: name.into(), row: row + 1 })?,
                ),
            };
            scale = scale.max(value.map_or(0, |value| value.scale));
            values.push(value);
        }
        let align = |(row, value): (usize, Option<Decimal>)| match value {
            None => Ok(None),
            Some(Decimal { mantissa, scale: own }) => match mantissa.checked_mul(10i64.pow(u32::from(scale - own))) {
                Some(value) => Ok(Some(value)),
                None => Err(TableError::NotANumber { column: name.into(), row: row + 1 }),
            },
        };
        Ok(Numbers { values: values.into_iter().enumerate().map(align).collect::<Result<_, _>>()?, scale })
    }
}

/// A numeric column: values times `10^scale`.
pub(crate) struct Numbers {
    pub(crate) values: Vec<Option<i64>>,
    pub(crate) scale: u8,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table of {} rows, {} columns", self.rows, self.columns.len())
    }
}

/// Largest file.
pub const MAX_BYTES: u64 = 512 << 20;

/// Most rows.
pub const MAX_ROWS: usize = 5_000_000;

/// Most columns.
pub const MAX_COLUMNS: usize = 1024;

/// Why a file is no table, or a table does not fit a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file could not be read.
    #[error("the file cannot be read: {0}")]
    Read(#[source] std::io::Error),
    /// Not UTF-8.
    #[error("line {line}: not UTF-8 text; save the file as UTF-8")]
    Encoding {
        /// Line of the file, from 1.
        line: u64,
    },
    /// No header.
    #[error("the file is empty; its first line must name the columns")]
    Empty,
    /// A header cell that cannot name a column.
    #[error("the header's column {column} {what}")]
    Header {
        /// Position in the header, from 1.
        column: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A row with more or fewer cells than the header.
    #[error("line {line} has {found} cells where the header has {expected}")]
    Cells {
        /// Line of the file, from 1.
        line: u64,
        /// Cells found.
        found: usize,
        /// Cells expected.
        expected: usize,
    },
    /// More bytes than [`MAX_BYTES`].
    #[error("the file is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// More rows than [`MAX_ROWS`].
    #[error("the file has more than {MAX_ROWS} rows")]
    TooManyRows,
    /// A program names a column that the table lacks.
    #[error("the table has no column “{name}”; it has {}", known.join(", "))]
    NoColumn {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A cell of a column used as numbers is none, or too long on the scale of the column's finest cell.
    #[error(
        "column “{column}”, row {row} below the header: not a number like -12 or 0.5 with at most 18 digits, {MAX_SCALE} of them behind the point"
    )]
    NotANumber {
        /// The column.
        column: String,
        /// The row, from 1.
        row: usize,
    },
}

impl TableError {
    fn read(error: csv::Error) -> Self {
        let line = error.position().map_or(0, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<Exceeded>()) => Self::TooLarge,
            csv::ErrorKind::Io(error) => Self::Read(error),
            // Other kinds concern rows of unequal length, seeking and serde, of which none is used.
            _ => Self::Encoding { line },
        }
    }
}

fn header(record: &csv::StringRecord) -> Result<Vec<Column>, TableError> {
    let mut columns: Vec<Column> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (at, name) in record.iter().enumerate() {
        let error = |what| Err(TableError::Header { column: at + 1, what });
        let name = name.trim();
        if at >= MAX_COLUMNS {
            return error("is one too many: 1024 are supported");
        }
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return error("must have a name of 1 to 128 bytes without control characters");
        }
        if !seen.insert(name) {
            return error("has the name of an earlier one");
        }
        columns.push(Column { name: name.into(), text: String::new(), ends: Vec::new() });
    }
    Ok(columns)
}

/// Bytes of the longest column name.
pub(crate) const MAX_NAME: usize = 128;

/// Fails once more than `left` bytes were read, so that no file fills the memory.
struct Bounded<R> {
    reader: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("too large")]
struct Exceeded;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| std::io::Error::other(Exceeded))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Table, TableError> {
        Table::read(text.as_bytes())
    }

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn what_people_write() {
        let table = read("\u{feff}id, age ,\"note, free\"\r\n1, 40 ,\"a \"\"b\"\"\nc\"\r\n2,,\n3,-4.50,x").unwrap();
        assert_eq!(table.rows(), 3);
        assert_eq!(table.columns().collect::<Vec<_>>(), ["id", "age", "note, free"]);
        assert_eq!(table.cells("note, free").unwrap().collect::<Vec<_>>(), ["a \"b\"\nc", "", "x"]);
        let ages = table.numbers("age").unwrap();
        assert_eq!((ages.values, ages.scale), (vec![Some(400), None, Some(-45)], 1));
        assert_eq!(format!("{table:?}"), "table of 3 rows, 3 columns");
    }

    #[test]
    fn refusals_say_where_but_not_what_the_cell_holds() {
        assert!(error("").contains("empty"));
        assert!(error("a,b\n1,2\n3\n").contains("line 3 has 1 cells where the header has 2"));
        assert!(error("a,b,a\n").contains("column 3 has the name of an earlier one"));
        assert!(error("a,,c\n").contains("column 2 must have a name"));
        assert!(error(&"x,".repeat(2000)).contains("column 2 has the name"));
        assert!(
            error(&(0..1025).map(|i| i.to_string()).collect::<Vec<_>>().join(","))
                .contains("column 1025 is one too many")
        );
        assert!(Table::read(&b"a\n\xff\n"[..]).unwrap_err().to_string().contains("line 2: not UTF-8"));
        let table = read("a\n1\nsecret\n").unwrap();
        let message = table.numbers("a").err().unwrap().to_string();
        assert!(message.contains("“a”, row 2") && !message.contains("secret"), "{message}");
        assert!(table.numbers("b").err().unwrap().to_string().contains("no column “b”; it has a"));
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let reader = Bounded { reader: std::io::repeat(b'x'), left: 1 << 20 };
        let mut csv = csv::Reader::from_reader(reader);
        let error = csv.read_record(&mut csv::StringRecord::new()).map_err(TableError::read);
        assert!(matches!(error, Err(TableError::TooLarge)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Table::read(&bytes[..]);
        }

        #[test]
        fn any_cells_are_read_or_refused(text in "a,b\n([-0-9.,\"\n x]{0,60})") {
            if let Ok(table) = read(&text) {
                for name in ["a", "b"] {
                    let _ = table.numbers(name);
                    prop_assert_eq!(table.cells(name).unwrap().count(), table.rows());
                }
            }
        }

        #[test]
        fn decimals_read_back(mantissa in -999_999_999_999_999_999i64..1_000_000_000_000_000_000, scale in 0u8..=9) {
            let decimal = Decimal::read(&Decimal { mantissa, scale }.to_string()).unwrap();
            prop_assert_eq!(i128::from(decimal.mantissa) * 10i128.pow(u32::from(scale - decimal.scale)), i128::from(mantissa));
        }
    }
}
