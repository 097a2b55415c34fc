// set_var while C reads the environment
//
// Rust's own lock is around set_var and env::var, but not around C's getenv, which the message
// of an error calls to find out in which language to be: set_var moves environ away under it.
//
// Fails: crash
use std::env;
use std::io;
use std::os::raw::{c_char, c_int};
#[cfg(fixed)]
use std::sync::Mutex;
use std::thread;

// With that many, the list of variables has a size that malloc hands back to everybody, and
// not to the thread alone; and it is even, so that the list fills its block to the last word.
const VARIABLES: usize = 130;

const ENOENT: i32 = 2;
const LC_MESSAGES: c_int = 5;

extern "C" {
    fn setlocale(category: c_int, locale: *const c_char) -> *const c_char;
}

#[cfg(fixed)]
static ENVIRONMENT: Mutex<()> = Mutex::new(());

fn main() {
    // As Python and most programs with a window do. In C's own locale there is nothing to
    // translate, and nobody asks for LANGUAGE.
    let locale = unsafe { setlocale(LC_MESSAGES, "C.UTF-8\0".as_ptr() as *const c_char) };
    assert!(!locale.is_null(), "no locale C.UTF-8");
    for (name, _) in env::vars_os() {
        env::remove_var(name);
    }
    for n in 0..VARIABLES {
        env::set_var(format!("VARIABLE_{}", n), "1");
    }

    let setter = thread::spawn(|| {
        #[cfg(fixed)]
        let _hold = ENVIRONMENT.lock();
        env::set_var("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt");
    });
    let message = {
        #[cfg(fixed)]
        let _hold = ENVIRONMENT.lock();
        io::Error::from_raw_os_error(ENOENT).to_string()
    };
    assert_eq!(message, "No such file or directory (os error 2)");
    setter.join().unwrap();
}
