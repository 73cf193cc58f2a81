//! Requests of guests: to whom they may go, what arrives, and how each ends.
