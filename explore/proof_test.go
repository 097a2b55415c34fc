package explore

import (
	"encoding/binary"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testseed"
	"emurace/loader"
)

var proofsFor = flag.Duration("proofs-for", 0, "how long TestProofs goes on with new programs; 0 is as many as usual")

// proofSize says how much of a program is looked at.
type proofSize struct {
	traces    uint64 // a search that has more is cut off
	schedules uint64 // with one preemption, that begin with one thread
	drawn     int    // schedules drawn at any instruction
}

func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// proofBatch is programs that are compiled in one go, since a compiler takes longer to
// start than for all of them.
type proofBatch struct {
	sys     *emu.System
	code    guestcode.Code
	texts   map[uint64]string
	threads map[uint64]int
	guests  map[int]*guest // by the number of threads
	current uint64
}

func newProofBatch(t *testing.T, sys *emu.System, first, n uint64) *proofBatch {
	t.Helper()
	b := &proofBatch{sys: sys, texts: map[uint64]string{}, threads: map[uint64]int{}, guests: map[int]*guest{}, current: first}
	var all strings.Builder
	for seed := first; seed < first+n; seed++ {
		w := newProofWriter(sys.Arch, seed)
		b.threads[seed] = w.program(seed)
		b.texts[seed] = w.text.String()
		all.WriteString(b.texts[seed])
	}
	b.code = guestcode.Build(t, sys.Arch, proofSource(sys.Arch, all.String()))
	return b
}

// begin is a guest for a program of the batch.
func (b *proofBatch) begin(t *testing.T, seed uint64) *guest {
	t.Helper()
	b.current = seed
	n := b.threads[seed]
	if b.guests[n] == nil {
		g, err := startProofs(b.sys, b.code, n, &b.current)
		must(t, err)
		b.guests[n] = g
	}
	return b.guests[n]
}

func (b *proofBatch) close() {
	for _, g := range b.guests {
		g.s.Close()
	}
}

// A search that says what can come of a program says all of it. Random programs of two
// or three threads that do all that can be done here, each system call of the kernel's
// table among it, are searched, and then run in schedules that know nothing of what a
// search knows: those with one preemption, at any instruction, and some drawn at random.
// What those come to, the search has come to. And the search comes to the same kinds of
// ends with locks as they are and with abstract ones.
//
// -programs says how many, -seed from which seed on, and -proofs-for how long to go on.
func TestProofs(t *testing.T) {
	const batch = 20
	count, size := uint64(60), proofSize{traces: 600, schedules: 400, drawn: 40}
	if testing.Short() {
		count, size.schedules = batch, 100
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		t.Parallel()
		seed := testseed.Of(t, 1)
		began := time.Now()
		programs, compared, several := uint64(0), 0, 0
		for first := seed; *proofsFor > 0 && time.Since(began) < *proofsFor || first < seed+count; first += batch {
			n := uint64(batch)
			if *proofsFor == 0 {
				n = min(n, seed+count-first)
			}
			b := newProofBatch(t, sys, first, n)
			for s := first; s < first+n; s++ {
				whole, more, err := compareProof(t, b.begin(t, s), s, size)
				if err != nil {
					t.Errorf("seed %d: %v\n%s\nrepeat with: go test emurace/explore -run '^TestProofs$/^%v$' -programs 1 -seed %d", s, err, b.texts[s], sys.Arch, s)
					if *proofsFor > 0 {
						b.close()
						return
					}
				}
				programs++
				if whole {
					compared++
				}
				if more {
					several++
				}
			}
			b.close()
		}
		t.Logf("%v: %d programs from seed %d on, %d of them compared, %d can come out in several ways", sys.Arch, programs, seed, compared, several)
		if programs >= batch && (compared < int(programs)*2/3 || several < int(programs)/3) {
			t.Errorf("only %d of %d programs were compared, and %d can come out in several ways", compared, programs, several)
		}
	})
}

// The programs have each row of the kernel's table in them.
func TestProofsDraw(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		drawn := map[string]bool{}
		for seed := range uint64(2000) {
			w := newProofWriter(arch, seed)
			w.program(seed)
			for name := range w.rows {
				drawn[name] = true
			}
		}
		var missing []string
		for _, c := range emu.SystemCalls(arch) {
			if !drawn[c.Name] && !slices.ContainsFunc(callRows(), func(r callRow) bool { return r.name == c.Name && !mended[r.needs] }) {
				missing = append(missing, c.Name)
			}
		}
		if len(missing) > 0 {
			t.Errorf("%v: no program has %v", arch, missing)
		}
		for _, row := range callRows() {
			if !slices.ContainsFunc([]loader.Arch{loader.ARM64, loader.AMD64}, func(a loader.Arch) bool { return numbersOf(a)[row.name] != 0 || row.name == "read" }) {
				t.Errorf("%s is no system call of the table", row.name)
			}
		}
	}
}
