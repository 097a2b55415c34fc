package shim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

// contexts names, in the environment of a child, the file that TestContextWords writes.
const contexts = "CONTEXT_WORDS"

// contextsOf is what one process has: the words of two threads' kept registers, and where
// its own memory is.
type contextsOf struct {
	Words [2][]uint64
	Maps  [][2]uint64
}

// mapped says whether a word is an address of the process.
func (c contextsOf) mapped(v uint64) bool {
	return slices.ContainsFunc(c.Maps, func(m [2]uint64) bool { return v >= m[0] && v < m[1] })
}

// TestContextsHoldNoPointers: registers that are kept and put back later hold no address
// of the process itself. What was there may be gone by then.
//
// Some registers hold numbers that are the same in each process, such as the FPSID of a
// CPU's model, and now and then the heap begins at such a number. So a word is asked for
// in other processes too: there it is the same, and no memory is there.
func TestContextsHoldNoPointers(t *testing.T) {
	// Numbers that look like addresses of a large program that is not moved, and are the
	// same in each build: SCTLR of EL3 as it is at reset, CNTFRQ, and what thread 0 has of
	// the boot.
	numbers := []uint64{0xc50838, 62_500_000, 0x3c28000}
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		own := ownContexts(t, arch)
		for thread, words := range own.Words {
			for i, v := range words {
				if slices.Contains(numbers, v) || v-dataAt < 4*PageSize || v-codeAt < PageSize {
					continue // the guest's
				}
				if own.mapped(v) && !isNumber(t, arch, thread, i, v) {
					t.Errorf("thread %d: word %d is %#x, in the process's memory", thread, i, v)
				}
			}
		}
	})
}

// isNumber says whether another process has the same word, and no memory there. Where a
// mapping begins is drawn for each process, so some are asked.
func isNumber(t *testing.T, arch loader.Arch, thread, word int, v uint64) bool {
	t.Helper()
	for range 4 {
		file := filepath.Join(t.TempDir(), "words")
		cmd := exec.Command(os.Args[0], "-test.run", "^TestContextWords$")
		cmd.Env = append(os.Environ(), contexts+"="+arch.String()+" "+file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		text, err := os.ReadFile(file)
		must(t, err)
		var other contextsOf
		must(t, json.Unmarshal(text, &other))
		if same, number := other.tells(thread, word, v); !same || number {
			return number
		}
	}
	return false
}

// tells whether a process has the same word at a place, and whether that shows it to be a
// number: where it has memory there too, it may be an address that is the same in both.
func (c contextsOf) tells(thread, word int, v uint64) (same, number bool) {
	same = c.Words[thread][word] == v
	return same, same && !c.mapped(v)
}

// TestContextWords is the child of isNumber.
func TestContextWords(t *testing.T) {
	name, file, ok := strings.Cut(os.Getenv(contexts), " ")
	if !ok {
		return
	}
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if arch.String() == name {
			text, err := json.Marshal(ownContexts(t, arch))
			must(t, err)
			must(t, os.WriteFile(file, text, 0o600))
		}
	}
}

func TestAddressesAreNoNumbers(t *testing.T) {
	c := contextsOf{Words: [2][]uint64{{0x400100, 0x41034070, 0x7f0000001000}}, Maps: [][2]uint64{{0x400000, 0x500000}, {0x7f0000000000, 0x7f0000002000}}}
	for _, v := range []struct {
		name         string
		word         int
		value        uint64
		same, number bool
	}{
		{"static data is at one address in each process", 0, 0x400100, true, false},
		{"a number", 1, 0x41034070, true, true},
		{"an address of a heap that is elsewhere there", 2, 0x7e0000001000, false, false},
	} {
		if same, number := c.tells(0, v.word, v.value); same != v.same || number != v.number {
			t.Errorf("%s: the same %v, a number %v", v.name, same, number)
		}
	}
}

// ownContexts runs two threads, and takes what is kept of them.
func ownContexts(t *testing.T, arch loader.Arch) contextsOf {
	t.Helper()
	e := newEngine(t, arch, loops[arch], 2, true)
	run(t, e, 0, 100)
	run(t, e, 1, 100)
	c := contextsOf{Maps: ownMappings(t)}
	for thread := range c.Words {
		c.Words[thread] = e.contextWords(thread)
	}
	return c
}

// ownMappings are the process's mappings.
func ownMappings(t *testing.T) (list [][2]uint64) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	must(t, err)
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		var lo, hi uint64
		if _, err := fmt.Sscanf(s.Text(), "%x-%x", &lo, &hi); err != nil {
			t.Fatal(err)
		}
		// What is larger is addresses kept free: zones, a sanitizer's shadow. The part of
		// AddressSanitizer's that is for low addresses is among the numbers that control
		// registers have.
		const lowShadow = 0x7fff7000
		if hi-lo <= 1<<30 && lo != lowShadow {
			list = append(list, [2]uint64{lo, hi})
		}
	}
	return list
}
