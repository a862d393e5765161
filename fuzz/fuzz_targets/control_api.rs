#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dapi_mock_fuzz::run("control_api", data));
