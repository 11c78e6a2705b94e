//! Templates: text with `{facts.path}` in it, filled in when the packet is made.
