//! Ports for nodes that begin to listen later.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

/// An address of the loopback interface that nobody listens on just now, and that no other call of this process was given: what is drawn
/// for one node may be listened on only after others have drawn theirs.
pub(crate) fn free() -> String {
    static GIVEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        if given.insert(address.clone()) {
            return address;
        }
    }
}
