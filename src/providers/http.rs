//! One HTTP client per provider: time-outs, and a transport failure told apart by whether the request can
//! have arrived.
