package loader

import (
	"fmt"
	"strings"
)

// Limits on the strings of a new process, as in Linux: one string may have
// MAX_ARG_STRLEN bytes (include/uapi/linux/binfmts.h), and all that exec puts
// on the stack may take a quarter of its 8 MiB (fs/exec.c).
const (
	maxArgument  = 32 * PageSize
	maxArguments = 8 << 20 / 4
)

// StackSpec is what a process is started with.
type StackSpec struct {
	Arch     Arch
	Argv     []string   // arguments, the program's name first; not empty
	Envp     []string   // environment, NAME=value each
	Aux      []AuxEntry // auxiliary vector without its end; see BuildStack
	ExecFn   string     // path of the program (AT_EXECFN); Argv[0] when empty
	Random   [16]byte   // bytes that AT_RANDOM points at
	Platform string     // AT_PLATFORM; the architecture's own when empty
	Top      uint64     // address after the stack's last byte, a multiple of 16
}

// BuildStack lays out the initial stack as copy_strings in Linux's fs/exec.c
// and create_elf_tables in fs/binfmt_elf.c do, without their randomisation.
// The returned bytes belong at sp and end at Top. From sp, which is a multiple
// of 16, upwards there are
//
//	argc; argv pointers, NULL; envp pointers, NULL; auxv pairs, AT_NULL;
//	padding; 16 random bytes; platform; padding;
//	argv strings, envp strings, ExecFn; 8 zero bytes
//
// each word 8 bytes. AT_RANDOM, AT_PLATFORM and AT_EXECFN point at what is
// placed here: where Aux has an entry of that type its value is filled in,
// otherwise the entry is added at the end. AT_NULL in Aux is an error, as are
// strings with a NUL and strings and tables larger than Linux allows.
func BuildStack(spec StackSpec) (image []byte, sp uint64, err error) {
	if err := spec.check(); err != nil {
		return nil, 0, err
	}
	if spec.ExecFn == "" {
		spec.ExecFn = spec.Argv[0]
	}
	if spec.Platform == "" {
		spec.Platform = spec.Arch.platform()
	}
	b := stackBuilder{top: spec.Top, buf: make([]byte, maxArguments), used: 8}

	// Downwards from the top, in the kernel's order.
	execfn := b.text(spec.ExecFn)
	envp := b.texts(spec.Envp)
	argv := b.texts(spec.Argv)
	b.align()
	platform := b.text(spec.Platform)
	random := b.bytes(spec.Random[:])

	aux := fillAux(spec.Aux, []AuxEntry{{AT_RANDOM, random}, {AT_EXECFN, execfn}, {AT_PLATFORM, platform}})
	words := make([]uint64, 0, 1+len(argv)+1+len(envp)+1+2*len(aux))
	words = append(words, uint64(len(argv)))
	words = append(append(words, argv...), 0)
	words = append(append(words, envp...), 0)
	for _, e := range aux {
		words = append(words, e.Type, e.Value)
	}
	sp = b.table(words)
	if b.full {
		return nil, 0, fmt.Errorf("initial stack: arguments and environment take more than %d bytes", maxArguments)
	}
	return append([]byte(nil), b.buf[len(b.buf)-b.used:]...), sp, nil
}

func (spec *StackSpec) check() error {
	if spec.Arch.Machine() == 0 {
		return fmt.Errorf("initial stack: arch: %v is unknown", spec.Arch)
	}
	if len(spec.Argv) == 0 {
		return fmt.Errorf("initial stack: argv: empty")
	}
	if spec.Top%16 != 0 || spec.Top < maxArguments || spec.Top > addressLimit {
		return fmt.Errorf("initial stack: top: %#x is not a multiple of 16 between %#x and %#x", spec.Top, uint64(maxArguments), uint64(addressLimit))
	}
	if n := len(spec.Argv) + len(spec.Envp) + 2*len(spec.Aux); n > maxArguments/8 {
		return fmt.Errorf("initial stack: %d pointers, more than %d", n, maxArguments/8)
	}
	for _, e := range spec.Aux {
		if e.Type == AT_NULL {
			return fmt.Errorf("initial stack: aux: AT_NULL inside the vector")
		}
	}
	for _, group := range []struct {
		what string
		list []string
	}{{"argv", spec.Argv}, {"envp", spec.Envp}, {"execfn", []string{spec.ExecFn}}, {"platform", []string{spec.Platform}}} {
		for i, s := range group.list {
			if len(s) >= maxArgument {
				return fmt.Errorf("initial stack: %s[%d]: %d bytes, at most %d with its NUL", group.what, i, len(s), maxArgument)
			}
			if strings.IndexByte(s, 0) >= 0 {
				return fmt.Errorf("initial stack: %s[%d]: contains NUL", group.what, i)
			}
		}
	}
	return nil
}

// fillAux returns the caller's vector with the known values filled in or
// added, and its end.
func fillAux(given, known []AuxEntry) []AuxEntry {
	aux := append([]AuxEntry(nil), given...)
	for _, k := range known {
		found := false
		for i := range aux {
			if aux[i].Type == k.Type {
				aux[i].Value, found = k.Value, true
			}
		}
		if !found {
			aux = append(aux, k)
		}
	}
	return append(aux, AuxEntry{Type: AT_NULL})
}

// stackBuilder fills buf from its end downwards; used counts the bytes. Once
// something does not fit, full is set and nothing more is stored.
type stackBuilder struct {
	top  uint64
	buf  []byte
	used int
	full bool
}

func (b *stackBuilder) address() uint64 { return b.top - uint64(b.used) }

// push makes room for n bytes and returns it.
func (b *stackBuilder) push(n int) []byte {
	if b.full = b.full || n > len(b.buf)-b.used; b.full {
		return nil
	}
	b.used += n
	return b.buf[len(b.buf)-b.used:][:n]
}

func (b *stackBuilder) bytes(data []byte) uint64 {
	copy(b.push(len(data)), data)
	return b.address()
}

// text stores s with a NUL; the buffer is zero already.
func (b *stackBuilder) text(s string) uint64 {
	copy(b.push(len(s)+1), s)
	return b.address()
}

// texts stores a list so that its first string has the lowest address, with
// no gap between them: programs that rewrite their argv rely on it.
func (b *stackBuilder) texts(list []string) []uint64 {
	at := make([]uint64, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		at[i] = b.text(list[i])
	}
	return at
}

// align moves down to a multiple of 16.
func (b *stackBuilder) align() { b.push(int(b.address() % 16)) }

// table stores the words below all else, so that the first one's address is a
// multiple of 16, and returns it.
func (b *stackBuilder) table(words []uint64) uint64 {
	b.push(int((b.address() - uint64(8*len(words))) % 16))
	out := b.push(8 * len(words))
	if b.full {
		return 0
	}
	for i, w := range words {
		le.PutUint64(out[8*i:], w)
	}
	return b.address()
}
