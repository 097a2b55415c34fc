package shim

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// ErrAddresses is wrapped by the error about a limit on address space that leaves no room for
// an engine.
var ErrAddresses = errors.New("too little address space (ulimit -v)")

// besides is what an engine takes of addresses beside its zones, in bytes: Unicorn's buffer
// of translated code is the most of it.
const besides = 4 << 30

// checkRoom tells whether there are addresses for an engine. Unicorn would end the process
// where there are none for itself.
func checkRoom(zones []Zone) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil || limit.Cur == ^uint64(0) {
		return nil
	}
	need := uint64(besides)
	for _, z := range zones {
		need += 2*z.Size + z.Size/PageSize*2 // with the marks of its bytes
	}
	taken := takenAddresses()
	if limit.Cur > taken && limit.Cur-taken >= need {
		return nil
	}
	return fmt.Errorf("engine: %w: a machine takes %d GiB, and of the %d GiB allowed %d are taken", ErrAddresses, need>>30, limit.Cur>>30, taken>>30)
}

// takenAddresses is how much address space the process has, in bytes: the first number of
// /proc/self/statm. Where that cannot be read it is 0, and the system itself says later that
// there is no room.
func takenAddresses() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	first, _, _ := bytes.Cut(b, []byte(" "))
	pages, err := strconv.ParseUint(string(first), 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
