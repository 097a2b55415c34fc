// Package shell writes command lines as a POSIX shell reads them.
package shell
