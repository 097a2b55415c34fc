// Package testroot gives tests the real sysroots that they run on. They are in
// the user's cache, where `make setup` pulls them; a test that needs one that is
// not there fails and says so, because a test that is left out proves nothing.
package testroot
