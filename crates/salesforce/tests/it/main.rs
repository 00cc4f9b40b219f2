// SPDX-License-Identifier: Apache-2.0
//! The client against an emulated org and recorded answers, as one program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blob;
mod bulk;
mod collections;
mod describe;
mod emulated;
mod http;
mod oauth;
mod query;
mod soap;
