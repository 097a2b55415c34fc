# The process of the crash that emurace was written for, in little.
#
# A worker sets two variables of the environment by the C library's setenv, as openssl-probe does in
# a Rust extension. Meanwhile main looks at a file that is not there: the exception's text comes
# from strerror, which asks for LANGUAGE with getenv. Nothing in Python guards the two from each other:
# the worker is in C, without the interpreter's lock.
import ctypes
import locale
import os
import threading

locale.setlocale(locale.LC_ALL, "")
libc = ctypes.CDLL(None)


def probe():
    libc.setenv(b"SSL_CERT_FILE", b"/etc/ssl/certs/ca-certificates.crt", 1)
    libc.setenv(b"SSL_CERT_DIR", b"/etc/ssl/certs", 1)


# The environment becomes setenv's own block of memory, which its next call makes longer.
libc.setenv(b"EMURACE_FIRST", b"1", 1)
worker = threading.Thread(target=probe)
worker.start()
try:
    os.stat("/not/there")
except OSError as error:
    print(error)
worker.join()
