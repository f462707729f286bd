//! What comes in pages, on the disk until all pages are there: nothing of it is kept where one is missing.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::fault::FetchFault;
use crate::place::folder_of;

/// Lines in a file without a name, which is gone however the process ends.
pub(crate) struct Spool {
    list: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    bytes_max: u64,
}

impl Spool {
    /// Beside the list.
    pub(crate) fn new(list: &Path, bytes_max: u64) -> Result<Self, FetchFault> {
        let failed = |error: std::io::Error| FetchFault::file(list, &error);
        let file = BufWriter::new(tempfile::tempfile_in(folder_of(list)).map_err(failed)?);
        Ok(Self { list: list.to_owned(), file, bytes: 0, bytes_max })
    }

    /// Adds a line.
    pub(crate) fn push(&mut self, line: &str, url: &str) -> Result<(), FetchFault> {
        self.bytes += line.len() as u64 + 1;
        if self.bytes > self.bytes_max {
            return Err(FetchFault::TooLarge { url: url.to_owned(), limit_bytes: self.bytes_max });
        }
        let failed = |error: std::io::Error| FetchFault::file(&self.list, &error);
        self.file.write_all(line.as_bytes()).and_then(|()| self.file.write_all(b"\n")).map_err(failed)
    }

    /// Hands on each line.
    pub(crate) fn each(self, mut take: impl FnMut(&str)) -> Result<(), FetchFault> {
        let failed = |error: std::io::Error| FetchFault::file(&self.list, &error);
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        for line in BufReader::new(file).lines() {
            take(&line.map_err(failed)?);
        }
        Ok(())
    }
}
