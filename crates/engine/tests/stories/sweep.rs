// SPDX-License-Identifier: Apache-2.0
//! The sweep: every single request of a story fails once, before the org sees it and after the org acted on it, alone and with
//! everything after it. Then the story is told again, and the org and the vault must be as if nothing had happened.
