#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mpc::fuzzing::frame(bytes));
