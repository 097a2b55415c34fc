package explore

import (
	"encoding/binary"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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
	arch    loader.Arch
	code    guestcode.Code
	texts   map[uint64]string
	threads map[uint64]int
	guests  map[string]*guest // by the suite and the number of threads
	current uint64
}

func newProofBatch(t *testing.T, arch loader.Arch, first, n uint64) *proofBatch {
	t.Helper()
	b := &proofBatch{arch: arch, texts: map[uint64]string{}, threads: map[uint64]int{}, guests: map[string]*guest{}, current: first}
	var all strings.Builder
	for seed := first; seed < first+n; seed++ {
		w := newProofWriter(arch, seed)
		b.threads[seed] = w.program(seed)
		b.texts[seed] = w.text.String()
		all.WriteString(b.texts[seed])
	}
	b.code = guestcode.Build(t, arch, proofSource(arch, all.String()))
	return b
}

// begin is a guest for a program of the batch.
func (b *proofBatch) begin(t *testing.T, seed uint64) *guest {
	t.Helper()
	b.current = seed
	n := b.threads[seed]
	key := fmt.Sprint(suiteOf(seed), n)
	if b.guests[key] == nil {
		g, err := startProofs(systemOf(t, "debian:"+suiteOf(seed), b.arch, 0), b.code, n, &b.current)
		must(t, err)
		b.guests[key] = g
	}
	return b.guests[key]
}

func (b *proofBatch) close() {
	for _, g := range b.guests {
		g.s.Close()
	}
}

// proofRun is programs that are searched and run side by side, batch by batch.
type proofRun struct {
	arch  loader.Arch
	size  proofSize
	seed  uint64        // of the first program
	count uint64        // of programs; more when there is time
	until time.Time     // zero for no more than count
	next  atomic.Uint64 // programs that were begun
	stop  *atomic.Bool  // a difference was found, and nothing more is wanted

	programs, compared, several atomic.Uint64
}

// suiteOf is which libc a program has.
func suiteOf(seed uint64) string {
	suites := []string{"bookworm", "bullseye", "trixie"}
	return suites[seed/batchSize%uint64(len(suites))]
}

// batchSize is programs that are compiled in one go.
const batchSize = 20

// work takes batches until none is left.
func (p *proofRun) work(t *testing.T) {
	for !p.stop.Load() {
		at := p.next.Add(batchSize) - batchSize
		n := uint64(batchSize)
		if !p.goesOn() {
			if at >= p.count {
				return
			}
			n = min(n, p.count-at)
		}
		b := newProofBatch(t, p.arch, p.seed+at, n)
		for s := p.seed + at; s < p.seed+at+n && !p.stop.Load() && (p.until.IsZero() || p.goesOn()); s++ {
			p.compare(t, b, s)
		}
		b.close()
	}
}

func (p *proofRun) goesOn() bool { return time.Now().Before(p.until) }

func (p *proofRun) compare(t *testing.T, b *proofBatch, seed uint64) {
	whole, several, err := compareProof(t, b.begin(t, seed), seed, p.size)
	if err != nil {
		t.Errorf("seed %d, %s: %v\n%s\nrepeat with: go test emurace/explore -run '^TestProofs$/^%v$' -programs 1 -seed %d", seed, suiteOf(seed), err, b.texts[seed], p.arch, seed)
		p.stop.Store(!p.until.IsZero())
	}
	p.programs.Add(1)
	if whole {
		p.compared.Add(1)
	}
	if several {
		p.several.Add(1)
	}
}

// tell says how far it has come.
func (p *proofRun) tell(t *testing.T) {
	t.Logf("%v: %d programs from seed %d on, %d of them compared, %d can come out in several ways",
		p.arch, p.programs.Load(), p.seed, p.compared.Load(), p.several.Load())
}

// A search that says what can come of a program says all of it. Random programs of two
// or three threads that do all that can be done here, each system call of the kernel's
// table among it, are searched, and then run in schedules that know nothing of what a
// search knows: those with one preemption, at any instruction, and some drawn at random.
// What those come to, the search has come to. And the search comes to the same kinds of
// ends with locks as they are and with abstract ones.
//
// -programs says how many, and -seed from which seed on. With -proofs-for it goes on for
// so long, from a new seed, on all processors, and ends with the first difference.
func TestProofs(t *testing.T) {
	count, size := uint64(150), proofSize{traces: 600, schedules: 400, drawn: 40}
	if testing.Short() {
		count, size.schedules = batchSize, 100
	}
	if *programs > 0 {
		count = *programs
	}
	var stop atomic.Bool
	eachArch(t, func(t *testing.T, sys *emu.System) {
		t.Parallel()
		usual, workers := uint64(1), 1
		if *proofsFor > 0 {
			usual = 0
		}
		seed, count := seedsOf(testseed.Of(t, usual), count, sys.Arch)
		p := &proofRun{arch: sys.Arch, size: size, seed: seed, count: count, stop: &stop}
		if *proofsFor > 0 {
			p.count, p.until = 0, time.Now().Add(*proofsFor)
			workers = max(1, runtime.GOMAXPROCS(0)/2) // the other architecture has as many
			t.Logf("%v: from seed %d on", sys.Arch, p.seed)
		}
		t.Cleanup(func() {
			p.tell(t)
			n := p.programs.Load()
			if n >= batchSize && (p.compared.Load() < n*2/3 || p.several.Load() < n/4) {
				t.Errorf("too few of %d programs were compared, or can come out in several ways", n)
			}
		})
		if workers == 1 {
			p.work(t)
			return
		}
		for i := range workers {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				p.work(t)
			})
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
