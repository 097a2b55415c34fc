package gdb

import (
	"errors"
	"strconv"
	"strings"
)

// errNumber is the error about text that is no number in hexadecimal.
var errNumber = errors.New("not a hexadecimal number")

// parseHex reads a hexadecimal number without sign or prefix, of at most 64 bits.
func parseHex(s string) (uint64, error) {
	if s == "" || strings.Trim(s, "0123456789abcdefABCDEF") != "" {
		return 0, errNumber
	}
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, errNumber
	}
	return v, nil
}

// twoHex reads two numbers with a comma between them.
func twoHex(s string) (a, b uint64, err error) {
	left, right, ok := strings.Cut(s, ",")
	if !ok {
		return 0, 0, errNumber
	}
	if a, err = parseHex(left); err != nil {
		return 0, 0, err
	}
	b, err = parseHex(right)
	return a, b, err
}
