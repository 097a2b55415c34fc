package shim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/loader"
)

// bulkPages are the pages that plainLog looks after.
const bulkPages = 5

// plainLog is what the log of the kernel's doings says, with an entry for every eight bytes
// and nothing else, and what it leaves in memory.
type plainLog struct {
	log     []Access
	memory  []byte
	touched [bulkPages]bool
}

func (l *plainLog) clone() *plainLog {
	return &plainLog{slices.Clone(l.log), slices.Clone(l.memory), l.touched}
}

func word(b []byte) uint64 {
	var w [8]byte
	copy(w[:], b)
	return binary.LittleEndian.Uint64(w[:])
}

func (l *plainLog) add(a Access, at uint64, value []byte) {
	for i := uint64(0); i < uint64(len(value)); i += 8 {
		n := min(uint64(len(value))-i, 8)
		a.Addr, a.Size = dataAt+at+i, uint8(n)
		a.Old, a.Value = word(l.memory[at+i:at+i+n]), word(value[i:i+n])
		if a.Kind != AccessZero || a.Old != 0 {
			l.log = append(l.log, a)
		}
	}
	if copy(l.memory[at:], value); a.Kind == AccessKernel {
		for p := at / PageSize; p <= (at+uint64(len(value))-1)/PageSize; p++ {
			l.touched[p] = true
		}
	}
}

// bulkEngine has a thread that stores to the pages of plainLog.
func bulkEngine(t testing.TB) (*Engine, *plainLog) {
	t.Helper()
	e := newEngine(t, loader.ARM64, loops[loader.ARM64], 2, true)
	must(t, e.SetPages(dataAt, bulkPages*PageSize, Read|Write|Mapped))
	must(t, e.SetLogging(true))
	return e, &plainLog{memory: make([]byte, bulkPages*PageSize)}
}

// A log with ranges says what one with an entry for every eight bytes says, and takes
// memory back to wherever that does.
func TestRangesSayWhatWordsSay(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) { checkRanges(t, r) })
}

func checkRanges(t *testing.T, r *rapid.T) {
	e, want := bulkEngine(t)
	defer e.Close()
	limit := rapid.SampledFrom([]int{30, 200, 600, 1 << 20}).Draw(r, "limit")
	e.setLogLimit(limit)
	type moment struct {
		mark *Mark
		want *plainLog
		len  int
	}
	var moments []moment
	for range rapid.IntRange(1, 40).Draw(r, "steps") {
		thread := rapid.IntRange(0, 1).Draw(r, "thread")
		a := Access{Step: e.Steps(), PC: uint64(e.c.m.last), Thread: uint16(thread)}
		var err error
		switch rapid.SampledFrom([]string{"mark", "rewind", "run", "store", "store", "store", "read", "zero"}).Draw(r, "what") {
		case "mark":
			m, err := e.Mark()
			must(t, err)
			moments = append(moments, moment{m, want.clone(), e.LogLen()})
		case "rewind":
			if len(moments) > 0 {
				i := rapid.IntRange(0, len(moments)-1).Draw(r, "mark")
				must(t, moments[i].mark.Rewind())
				want, moments = moments[i].want.clone(), moments[:i+1]
				if e.LogLen() != moments[i].len {
					r.Fatalf("rewound, the log has %d entries, and had %d", e.LogLen(), moments[i].len)
				}
			}
		case "run":
			from := e.LogLen()
			set(t, e, thread, "addr", dataAt+rapid.Uint64Range(0, (bulkPages*PageSize-8)).Draw(r, "address"))
			run(t, e, thread, rapid.Uint64Range(1, 20).Draw(r, "instructions"))
			for _, a := range e.Log().From(from).List() { // what an instruction does is no matter here
				if want.log = append(want.log, a); a.Kind == AccessWrite {
					at := a.Addr - dataAt
					copy(want.memory[at:at+uint64(a.Size)], binary.LittleEndian.AppendUint64(nil, a.Value)[:a.Size])
					want.touched[at/PageSize], want.touched[(at+uint64(a.Size)-1)/PageSize] = true, true
				}
			}
		case "store", "read":
			at, n := drawBytes(r)
			value := drawValue(r, want.memory[at:at+n])
			after := want.clone()
			if rapid.Bool().Draw(r, "write") {
				a.Kind = AccessKernel
				err = e.Store(thread, dataAt+at, value)
			} else {
				a.Kind, value = AccessRead, slices.Clone(want.memory[at:at+n])
				err = e.Touch(thread, dataAt+at, n)
			}
			if after.add(a, at, value); err == nil {
				want = after
			}
		case "zero":
			first := rapid.Uint64Range(0, bulkPages-1).Draw(r, "page")
			n := rapid.Uint64Range(1, bulkPages-first).Draw(r, "pages")
			a.Kind, a.Thread = AccessZero, uint16(e.c.ran)
			err = e.Forget(dataAt+first*PageSize, n*PageSize)
			for p := first; p < first+n; p++ {
				if !want.touched[p] || err != nil && !isZero(e.View(dataAt+p*PageSize, PageSize)) {
					continue // of the pages that there is room for, each is zeroed as a whole
				}
				want.add(a, p*PageSize, make([]byte, PageSize))
			}
		}
		if reached := (*LimitError)(nil); err != nil && (!errors.As(err, &reached) || reached.Limit != LogLimit || limit > 2000) {
			r.Fatal(err)
		}
		if taken := e.LogLen() + int(e.c.bulk_len)/48; taken > limit+8 { // the last instruction's are beyond
			r.Fatalf("%d entries are taken of %d", taken, limit)
		}
		sameAccesses(r, e.Log(), want.log)
		if !bytes.Equal(e.View(dataAt, bulkPages*PageSize), want.memory) {
			r.Fatal("memory is another one")
		}
	}
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// drawBytes draws bytes of up to three pages, often such as begin or end near the border of
// one.
func drawBytes(r *rapid.T) (at, n uint64) {
	near := func(what string) uint64 {
		if rapid.Bool().Draw(r, what+" near") {
			page := rapid.Uint64Range(0, bulkPages).Draw(r, what+" page") * PageSize
			return min(page+rapid.Uint64Range(0, 80).Draw(r, what+" behind"), bulkPages*PageSize) - min(page, rapid.Uint64Range(0, 80).Draw(r, what+" before"))
		}
		return rapid.Uint64Range(0, bulkPages*PageSize).Draw(r, what)
	}
	at = min(near("begin"), bulkPages*PageSize-1)
	if rapid.Bool().Draw(r, "few") {
		return at, min(rapid.Uint64Range(1, 130).Draw(r, "size"), bulkPages*PageSize-at)
	}
	end := near("end")
	return at, min(max(end, at+1)-at, 3*PageSize)
}

// drawValue draws what is stored over bytes: anything, zeros, the same, or a bit of it.
func drawValue(r *rapid.T, held []byte) []byte {
	value := make([]byte, len(held))
	switch rapid.SampledFrom([]string{"any", "zeros", "the same", "one other"}).Draw(r, "value") {
	case "any":
		seed := rapid.Byte().Draw(r, "seed")
		for i := range value {
			value[i] = seed + byte(i*i>>3)
		}
	case "the same":
		copy(value, held)
	case "one other":
		copy(value, held)
		value[rapid.IntRange(0, len(value)-1).Draw(r, "which")]++
	}
	return value
}

// sameAccesses compares all ways to go through a log.
func sameAccesses(t rapid.TB, l Log, want []Access) {
	t.Helper()
	list := l.List()
	if !slices.Equal(list, want) {
		i := 0
		for i < min(len(list), len(want)) && list[i] == want[i] {
			i++
		}
		t.Fatalf("%d accesses, want %d; from %d on:\n%+v\n%+v", len(list), len(want), i, list[i:min(i+3, len(list))], want[i:min(i+3, len(want))])
	}
	if n := l.Most(); n < len(want) || n > len(want)+bulkPages*PageSize/8*l.Len() {
		t.Fatalf("at most %d accesses, and there are %d", n, len(want))
	}
	back := slices.Collect(l.Backward())
	slices.Reverse(back)
	if !slices.Equal(back, want) || !slices.Equal(slices.Collect(l.All()), want) {
		t.Fatal("the ways to go through the log part")
	}
	last, ok := l.Last()
	if ok != (len(want) > 0) || ok && last != want[len(want)-1] {
		t.Fatalf("the last access is %+v", last)
	}
}

// Whoever goes through a log can end that at any access, and begin at any entry.
func TestGoThroughALog(t *testing.T) {
	e, _ := bulkEngine(t)
	must(t, e.Store(0, dataAt+5, bytes.Repeat([]byte{7}, 2*PageSize)))
	set(t, e, 0, "addr", dataAt)
	run(t, e, 0, 9)
	must(t, e.Touch(1, dataAt+100, 100))
	must(t, e.Touch(1, dataAt+100, 9))
	all := e.Log().List()
	if n := e.LogLen(); n > 16 || len(all) != 2*PageSize/8+4+13+2 {
		t.Fatalf("%d accesses, %d entries", len(all), n)
	}
	for k, want := range all {
		i := 0
		for a := range e.Log().All() {
			if i == k && a != want {
				t.Fatalf("access %d is %+v, want %+v", k, a, want)
			}
			if i++; i > k {
				break
			}
		}
		for a := range e.Log().Backward() {
			if i--; i == 0 {
				if want := all[len(all)-1-k]; a != want {
					t.Fatalf("access %d from the end is %+v, want %+v", k, a, want)
				}
				break
			}
		}
	}
	n := 0
	for i := range e.LogLen() {
		if a := e.Log().From(i).List(); n+len(a) > len(all) || i == 0 && len(a) != len(all) || !slices.Equal(a, all[len(all)-len(a):]) {
			t.Fatalf("from entry %d on there are %d accesses", i, len(a))
		}
	}
	for step := range e.Steps() + 2 {
		var since, of []Access
		for _, a := range all {
			if a.Step >= step {
				since = append(since, a)
			}
			if a.Step == step && step == e.Steps() {
				of = append(of, a)
			}
		}
		sameAccesses(t, e.Log().Since(step), since)
		sameAccesses(t, e.Log().Of(step), of)
	}
}

// A watch on a byte sees a range that has it, and of a page that is zeroed only what was
// not zero.
func TestWatchInARange(t *testing.T) {
	e, _ := bulkEngine(t)
	set(t, e, 0, "addr", dataAt+4*PageSize)
	page := make([]byte, 2*PageSize)
	for i := range page {
		page[i] = byte(i % 61 * min(i%1000, 1)) // zero at the thousands
	}
	copy(page[1000:], make([]byte, 16))
	for _, c := range []struct {
		at            uint64
		reads, writes bool
		store, read   bool // whether they are seen
		zeroed        bool
	}{
		{0, true, true, false, false, true}, // with its word
		{3, true, true, true, true, true},
		{3, false, true, true, false, true},
		{3, true, false, false, true, false},
		{PageSize, true, true, true, true, true},
		{2*PageSize - 1 + 3, true, true, true, true, false},
		{2*PageSize + 3, true, true, false, false, false},
		{1008, true, true, true, true, false},
	} {
		m := mustMark(t, e)
		watched := func(what string, want bool, f func() error) {
			t.Helper()
			must(t, f())
			if e.Watched() != want {
				t.Errorf("byte %d: %s: watched is %t", c.at, what, e.Watched())
			}
			e.SetWatch(0, 0, false, false)
			run(t, e, 0, 1)
			e.SetWatch(dataAt+c.at, 1, c.reads, c.writes)
		}
		watched("nothing", false, func() error { return nil })
		watched("store", c.store, func() error { return e.Store(0, dataAt+3, page) })
		watched("read", c.read, func() error { return e.Touch(0, dataAt+3, 2*PageSize) })
		must(t, e.Store(0, dataAt, page))
		e.SetWatch(0, 0, false, false)
		run(t, e, 0, 1)
		e.SetWatch(dataAt+c.at, 1, c.reads, c.writes)
		watched("zero", c.zeroed, func() error { return e.Forget(dataAt, 2*PageSize) })
		must(t, m.Rewind())
	}
}

// Each byte of a range counts for who shares it, and no other one.
func TestSharedInARange(t *testing.T) {
	for _, at := range []uint64{0, 3, 4, 5, PageSize - 1, PageSize, PageSize + 3, 9003, 9004} {
		e, _ := bulkEngine(t)
		e.SetSharing(true)
		e.c.event = false
		must(t, e.Touch(1, dataAt+at, 1))
		must(t, e.Store(0, dataAt+4, make([]byte, 9000)))
		want := at >= 4 && at < 9004
		if e.TouchedShared() != want || (len(e.SharedBytes()) == 1) != want {
			t.Errorf("byte %d: event %t, shared %v", at, e.TouchedShared(), e.SharedBytes())
		}
		if want && e.SharedBytes()[(dataAt+at)&^7] != 1<<(at&7) {
			t.Errorf("byte %d: shared %#x", at, e.SharedBytes())
		}
		e.Close()
	}
}

// Where all that is not noted is looked for while a range is gone through, what was gone
// through is found, and what was not is found later.
func TestRecallInARange(t *testing.T) {
	const size, begin, middle, end = 120, dataAt, dataAt + 40, dataAt + 80
	for _, later := range []uint64{begin, end} {
		e := newEngine(t, loader.ARM64, loops[loader.ARM64], 3, true)
		set(t, e, 0, "addr", dataAt+PageSize)
		must(t, e.SetLogging(true))
		e.SetSharing(true)
		must(t, e.Store(0, begin, make([]byte, 8)))
		must(t, e.NoteJoin(0, 1))
		run(t, e, 0, 1) // what follows does not come before what the other does
		must(t, e.Touch(2, middle, 8))
		e.c.share.recall_cost = 1 << 30
		must(t, e.Store(0, dataAt, make([]byte, size)))
		if e.SharedBytes()[middle] != 0xff || e.c.share.recall_cost != 0 {
			t.Errorf("%v are shared at a cost of %d", e.SharedBytes(), e.c.share.recall_cost)
		}
		e.c.event = false
		if must(t, e.Touch(1, later, 8)); !e.TouchedShared() {
			t.Errorf("byte %d is not shared", later-dataAt)
		}
		e.Close()
	}
}

// A reservation is lost by a range that has any of its bytes, by what it was zeroed if that
// was not zero, and by no read.
func TestMonitorWatchesRanges(t *testing.T) {
	const at = dataAt + 1000
	page := func(v byte) []byte { return bytes.Repeat([]byte{v}, PageSize) }
	for _, c := range []struct {
		name  string
		other func(d *duel) error
		fails bool
	}{
		{"the page", func(d *duel) error { return d.Store(1, dataAt, page(9)) }, true},
		{"the same again", func(d *duel) error { return d.Store(1, dataAt, page(5)) }, true},
		{"up to the word", func(d *duel) error { return d.Store(1, at-200, page(9)[:200]) }, false},
		{"up to its first byte", func(d *duel) error { return d.Store(1, at-199, page(9)[:200]) }, true},
		{"from its last byte on", func(d *duel) error { return d.Store(1, at+7, page(9)[:200]) }, true},
		{"from behind it", func(d *duel) error { return d.Store(1, at+8, page(9)[:200]) }, false},
		{"a read", func(d *duel) error { return d.Touch(1, dataAt, PageSize) }, false},
		{"by itself", func(d *duel) error { return d.Store(0, dataAt, slices.Clone(d.View(dataAt, PageSize))) }, false},
		{"zeroed", func(d *duel) error { return d.Forget(dataAt, PageSize) }, true},
	} {
		for _, held := range []byte{5, 0} {
			d := newDuel(t, ldrX8, ldxr, stxr)
			set(t, d.Engine, 0, "addr", at)
			must(t, d.Store(0, dataAt, page(held)))
			if held == 0 {
				must(t, d.Store(0, at+8, page(1)[:800])) // the page is not zero
			}
			set(t, d.Engine, 1, "x9", dataAt+2*PageSize)
			d.other() // runs last, so that it is who zeroes
			run(t, d.Engine, 0, 1)
			set(t, d.Engine, 1, "x9", dataAt+2*PageSize)
			d.other()
			must(t, c.other(d))
			want := c.fails && (held != 0 || c.name != "zeroed")
			if failed, _, _ := d.storeExclusive(1); failed != want {
				t.Errorf("%s, over %d: fails %t", c.name, held, failed)
			}
		}
	}
}

// Code that a range has replaced is the code of before when the range is undone.
func TestRangeOfCode(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 1, true)
		m := mustMark(t, e)
		for range 3 {
			run(t, e, 0, 60)
			if n := word(e.View(dataAt, 8)); n != 10 {
				t.Fatalf("the loop has counted to %d", n)
			}
			must(t, e.Store(0, codeAt, bytes.Repeat(stay[arch], PageSize/len(stay[arch]))))
			set(t, e, 0, "pc", codeAt)
			if run(t, e, 0, 60); word(e.View(dataAt, 8)) != 10 {
				t.Fatal("the loop is still there")
			}
			must(t, m.Rewind())
		}
	})
}

// What ranges hold counts for the log's limit: a call for which there is no room does
// nothing, what was before can be undone, and a run ends where entries and bytes together
// are too many.
func TestLogLimitOfRanges(t *testing.T) {
	e, _ := bulkEngine(t)
	const limit = 1000 // 48,000 bytes: eleven pages
	e.setLogLimit(limit)
	m := mustMark(t, e)
	full := bytes.Repeat([]byte{1}, 3*PageSize)
	var reached *LimitError
	for i := 0; ; i++ {
		held := slices.Clone(e.View(dataAt, bulkPages*PageSize))
		n, stored := e.LogLen(), e.c.bulk_len
		err := e.Store(0, dataAt, full)
		if err == nil {
			full[0]++
			full[len(full)-1]++
			full[PageSize]++
			continue
		}
		if !errors.As(err, &reached) || reached.Limit != LogLimit || i != 2 { // 3 pages, 6, no room for 6
			t.Fatalf("store %d: %v", i, err)
		}
		if e.LogLen() != n || e.c.bulk_len != stored || !bytes.Equal(held, e.View(dataAt, bulkPages*PageSize)) {
			t.Errorf("something is stored")
		}
		break
	}
	set(t, e, 0, "addr", dataAt+4*PageSize)
	s := run(t, e, 0, 1<<20)
	if s.Reason != StopLimit || s.Limit != LogLimit {
		t.Fatalf("%+v", s)
	}
	if taken := e.LogLen()*48 + int(e.c.bulk_len); taken > limit*48 || taken < (limit-2)*48 {
		t.Errorf("%d bytes are taken", taken)
	}
	must(t, m.Rewind())
	if e.LogLen() != 0 || e.c.bulk_len != 0 || !isZero(e.View(dataAt, bulkPages*PageSize)) {
		t.Errorf("rewound, there are %d entries and %d bytes", e.LogLen(), e.c.bulk_len)
	}
	if s := run(t, e, 0, 1<<20); s.Reason != StopLimit || e.LogLen() != limit {
		t.Errorf("%+v, with %d entries", s, e.LogLen())
	}
}

// BenchmarkBulk is the kernel's work on a MiB, which is then taken back. log-B is what the
// log takes of it.
func BenchmarkBulk(b *testing.B) {
	const size = 1 << 20
	for _, what := range []string{"store", "read", "zero"} {
		for _, sharing := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/shared=%t", what, sharing), func(b *testing.B) {
				e := newEngine(b, loader.ARM64, loops[loader.ARM64], 1, true)
				must(b, e.SetPages(dataAt, size, Read|Write|Mapped))
				content := bytes.Repeat([]byte("content "), size/8)
				if what != "store" {
					must(b, e.Store(0, dataAt, content))
				}
				e.SetSharing(sharing)
				m, err := e.Mark()
				must(b, err)
				taken := 0
				for range b.N {
					switch what {
					case "store":
						err = e.Store(0, dataAt, content)
					case "read":
						err = e.Touch(0, dataAt, size)
					case "zero":
						err = e.Forget(dataAt, size)
					}
					must(b, err)
					taken = e.LogLen()*48 + int(e.c.bulk_len)
					must(b, m.Rewind())
				}
				b.ReportMetric(float64(taken), "log-B")
			})
		}
	}
}
