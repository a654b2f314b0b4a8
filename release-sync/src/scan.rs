//! stub
#![allow(missing_docs, dead_code, unused)]
#[cfg(test)]
pub(crate) mod testing;
use std::collections::HashSet;
use std::io;
use release_core::*;
use crate::confine::Root;
use crate::filter::Filter;
use crate::tree::*;
#[derive(Debug)] pub(crate) struct Index;
impl Index { pub(crate) fn decode(b: Vec<u8>) -> Option<Self> { None } pub(crate) fn encoded(&self) -> &[u8] { &[] } }
#[derive(Debug)] pub(crate) struct Names;
impl Names { pub(crate) fn system(n: bool) -> Self { Names } pub(crate) fn prefer(&mut self, u: &[Principal], g: &[Principal]) {} pub(crate) fn resolve_user(&self, p: &Principal) -> u32 {0} pub(crate) fn resolve_group(&self, p: &Principal) -> u32 {0} }
pub(crate) struct ScanOptions<'a> { pub filter: &'a Filter, pub checksum: bool, pub index: Option<&'a Index>, pub written: Option<&'a Written> }
impl<'a> ScanOptions<'a> { pub(crate) fn new(filter: &'a Filter) -> Self { todo!() } pub(crate) fn reading_all(f: &'a Filter) -> Self { todo!() } }
#[derive(Debug)] pub(crate) struct Scan { pub found: Vec<Found>, pub holding: HashSet<RelPath>, pub mounts: Vec<RelPath>, pub unreadable: Vec<(RelPath, io::Error)>, pub specials: Vec<RelPath>, pub bytes_hashed: u64 }
impl Scan { pub(crate) fn manifest(&self, n: &mut Names) -> Result<Manifest, io::Error> { todo!() } pub(crate) fn index(&self) -> Index { todo!() } pub(crate) fn is_news(&self) -> bool { true } }
#[derive(Debug, Default)] pub(crate) struct Written;
impl Written { pub(crate) fn insert(&mut self, inode: u64, size: u64, mtime: Timestamp, d: Digest) {} }
pub(crate) fn settle() {}
pub(crate) fn scan_tree(r: &Root, o: &ScanOptions<'_>) -> io::Result<Scan> { todo!() }
