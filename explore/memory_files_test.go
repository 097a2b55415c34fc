package explore

import (
	"archive/tar"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"emurace/emu"
	"emurace/explore/graph"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// litmusFile is a test of the herd and diy tools: threads in columns, and a condition on what they come to.
type litmusFile struct {
	name    string
	arch    loader.Arch
	init    map[string]string // of locations, and of registers such as 0:X1
	columns [][]string
	cond    string
	negated bool // ~exists: the condition is not to be met
	forall  bool
	met     bool // what is known: the condition can be met, or of ~exists and forall that it holds
}

var (
	initLine      = regexp.MustCompile(`(?:[a-z0-9_]+ )?([\w:]+)\s*=\s*(-?\w+)\s*;`)
	conditionWord = regexp.MustCompile(`(?m)(?:^|\s)(~ *exists|exists|forall|final)`)
	comment       = regexp.MustCompile(`(?s)\(\*.*?\*\)`)
)

// parseLitmus reads a file.
func parseLitmus(name, text string) (*litmusFile, error) {
	text = comment.ReplaceAllString(text, "")
	f := &litmusFile{name: name, arch: loader.ARM64, init: map[string]string{}}
	if strings.HasPrefix(text, "X86") {
		f.arch = loader.AMD64
	} else if !strings.HasPrefix(text, "AArch64") {
		return nil, errors.New("not of a known architecture")
	}
	head, rest, ok := strings.Cut(text, "{")
	body, code, ok2 := strings.Cut(rest, "}")
	if !ok || !ok2 || len(head) == 0 {
		return nil, errors.New("there is no beginning")
	}
	for _, m := range initLine.FindAllStringSubmatch(body+";", -1) {
		f.init[m[1]] = m[2]
	}
	code = strings.TrimPrefix(code, ";")
	m := conditionWord.FindStringSubmatchIndex(code)
	if m == nil {
		return nil, errors.New("there is no condition")
	}
	at := m[0]
	f.negated, f.forall = code[m[2]] == '~', code[m[2]:m[3]] == "forall"
	f.cond = code[m[1]:]
	for _, end := range []string{";", "<<"} {
		f.cond, _, _ = strings.Cut(f.cond, end)
	}
	f.cond = strings.TrimSpace(f.cond)
	for _, line := range strings.Split(code[:at], "\n") {
		line, _, ok = strings.Cut(line, ";")
		if !ok || strings.Contains(line, "locations") {
			continue
		}
		cells := strings.Split(line, "|")
		if len(f.columns) == 0 {
			f.columns = make([][]string, len(cells))
			continue
		}
		if len(cells) != len(f.columns) {
			return nil, fmt.Errorf("%d columns in %q", len(cells), line)
		}
		for t, c := range cells {
			if c = strings.TrimSpace(c); c != "" {
				f.columns[t] = append(f.columns[t], c)
			}
		}
	}
	return f, nil
}

var locationName = regexp.MustCompile(`\b[a-z][a-z0-9_]*\b`)

// locations are the names of the test's memory.
func (f *litmusFile) locations() (list []string) {
	add := func(name string) {
		if name != "not" && name != "true" && name != "false" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for k, v := range f.init {
		if !strings.Contains(k, ":") {
			add(k)
		}
		if locationName.MatchString(v) && v[0] >= 'a' {
			add(v)
		}
	}
	for _, c := range f.columns {
		for _, line := range c {
			if k := strings.IndexByte(line, '['); k >= 0 && f.arch == loader.AMD64 {
				add(strings.TrimRight(line[k+1:strings.IndexByte(line, ']')], " "))
			}
		}
	}
	for _, name := range locationName.FindAllString(f.cond, -1) {
		add(name)
	}
	slices.Sort(list)
	return list
}

var (
	condReg  = regexp.MustCompile(`P?(\d+):(\w+)\s*=\s*(-?\d+|[a-z]\w*)`)
	condMem  = regexp.MustCompile(`\[?\b([a-z]\w*)\b\]?\s*=\s*(-?\d+)`)
	label    = regexp.MustCompile(`^(\w+):\s*(.*)$`)
	branches = regexp.MustCompile(`^(?:B|CB|TB)`)
	toLabel  = regexp.MustCompile(`(\w+)$`)
)

// source is the test as code: a function for each thread, whose registers go to memory of its own behind it.
func (f *litmusFile) source(n int) string {
	var b strings.Builder
	for _, name := range f.locations() {
		if locationName.MatchString(f.initial(name)) {
			fmt.Fprintf(&b, "__attribute__((aligned(64))) volatile u64 t%d_%s;\n", n, name)
			continue
		}
		fmt.Fprintf(&b, "__attribute__((aligned(64))) volatile u32 t%d_%s = %s;\n", n, name, f.initial(name))
	}
	for t := range f.columns {
		fmt.Fprintf(&b, "__attribute__((aligned(64))) volatile u64 t%d_r%d[32];\n", n, t)
	}
	fmt.Fprint(&b, "asm(\".text\\n\"\n")
	line := func(format string, args ...any) { fmt.Fprintf(&b, "\"%s\\n\"\n", fmt.Sprintf(format, args...)) }
	for t, column := range f.columns {
		line(".globl t%d_p%d", n, t)
		line(".type t%d_p%d, %%function", n, t)
		line("t%d_p%d:", n, t)
		if f.arch == loader.ARM64 {
			f.arm64(n, t, column, line)
		} else {
			f.amd64(n, t, column, line)
		}
	}
	fmt.Fprint(&b, ");\n")
	return b.String()
}

func (f *litmusFile) initial(name string) string {
	if v, ok := f.init[name]; ok {
		return v
	}
	return "0"
}

func (f *litmusFile) arm64(n, t int, column []string, line func(string, ...any)) {
	line("sub sp, sp, #16")
	line("stp x19, x20, [sp]")
	for r := range 19 {
		line("mov x%d, #0", r)
	}
	for k, v := range f.init {
		thread, reg, ok := strings.Cut(strings.TrimPrefix(k, "P"), ":")
		if !ok || thread != strconv.Itoa(t) {
			continue
		}
		reg = strings.ToLower(reg)
		if v[0] >= 'a' {
			line("adrp %s, t%d_%s", reg, n, v)
			line("add %s, %s, :lo12:t%d_%s", reg, reg, n, v)
		} else {
			line("mov %s, #%s", strings.Replace(reg, "x", "w", 1), v)
		}
	}
	for _, text := range column {
		if m := label.FindStringSubmatch(text); m != nil {
			line(".Lt%d_%d_%s:", n, t, m[1])
			text = m[2]
		}
		if text != "" {
			if branches.MatchString(text) {
				text = toLabel.ReplaceAllString(text, fmt.Sprintf(".Lt%d_%d_$1", n, t))
			}
			line("%s", text)
		}
	}
	line("adrp x19, t%d_r%d", n, t)
	line("add x19, x19, :lo12:t%d_r%d", n, t)
	for r := range 19 {
		line("str x%d, [x19, #%d]", r, 8*r)
	}
	line("ldp x19, x20, [sp]")
	line("add sp, sp, #16")
	line("mov x0, #0")
	line("ret")
}

// registersX86 are those that the files use, in the order in which they are kept.
var registersX86 = []string{"EAX", "EBX", "ECX", "EDX", "ESI", "EDI"}

var operandX86 = regexp.MustCompile(`\[(\w+)\]`)

func (f *litmusFile) amd64(n, t int, column []string, line func(string, ...any)) {
	line("push %%rbx")
	line(".intel_syntax noprefix")
	for _, r := range registersX86 {
		value := "0"
		for _, name := range []string{fmt.Sprintf("%d:%s", t, r), fmt.Sprintf("P%d:%s", t, r)} {
			if v, ok := f.init[name]; ok {
				value = v
			}
		}
		line("mov %s, %s", strings.ToLower(r), value)
	}
	for _, text := range column {
		text = strings.ReplaceAll(text, "$", "")
		text = operandX86.ReplaceAllString(text, fmt.Sprintf("dword ptr t%d_$1[rip]", n))
		line("%s", strings.ToLower(text))
	}
	for i, r := range registersX86 {
		line("mov dword ptr t%d_r%d[rip+%d], %s", n, t, 8*i, strings.ToLower(r))
	}
	line("xor eax, eax")
	line("pop rbx")
	line("ret")
	line(".att_syntax prefix")
}

// holds evaluates a condition, of registers, of what locations hold, and of where they are.
func (f *litmusFile) holds(reg func(thread int, name string) int64, mem, at func(name string) int64) (bool, error) {
	text := f.cond
	text = condReg.ReplaceAllStringFunc(text, func(s string) string {
		m := condReg.FindStringSubmatch(s)
		t, _ := strconv.Atoi(m[1])
		v, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			v = at(m[3])
		}
		return truth(reg(t, m[2]) == v)
	})
	text = condMem.ReplaceAllStringFunc(text, func(s string) string {
		m := condMem.FindStringSubmatch(s)
		v, _ := strconv.ParseInt(m[2], 10, 64)
		return truth(mem(m[1]) == v)
	})
	p := &condition{text: strings.NewReplacer("/\\", "&", "\\/", "|", "not", "~", " ", "", "\n", "", "\t", "").Replace(text)}
	v := p.or()
	if p.text != "" || p.wrong {
		return false, fmt.Errorf("%s: the condition %q is not understood", f.name, f.cond)
	}
	return v, nil
}

func truth(b bool) string {
	if b {
		return "T"
	}
	return "F"
}

// condition is what is left of one that is being evaluated.
type condition struct {
	text  string
	wrong bool
}

func (p *condition) take(c byte) bool {
	if p.text == "" || p.text[0] != c {
		return false
	}
	p.text = p.text[1:]
	return true
}

func (p *condition) or() bool {
	v := p.and()
	for p.take('|') {
		w := p.and()
		v = v || w
	}
	return v
}

func (p *condition) and() bool {
	v := p.one()
	for p.take('&') {
		w := p.one()
		v = v && w
	}
	return v
}

func (p *condition) one() bool {
	switch {
	case p.take('~'):
		return !p.one()
	case p.take('('):
		v := p.or()
		p.wrong = p.wrong || !p.take(')')
		return v
	case p.take('T'):
		return true
	case p.take('F'):
		return false
	}
	p.wrong = true
	return false
}

// plan makes a scenario of the test, number n of a piece of code, that fails where the condition is met, or of
// forall where it is not.
func (f *litmusFile) plan(code guestcode.Code, n int) *scenario.Plan {
	base := uint64(0)
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if base, err = u.Code(code.Bytes, uint64(len(code.Bytes))); err != nil {
			return err
		}
		for name, v := range f.init {
			if strings.Contains(name, ":") || !locationName.MatchString(v) {
				continue // a location that does not hold an address
			}
			to := binary.LittleEndian.AppendUint64(nil, base+code.Symbols[fmt.Sprintf("t%d_%s", n, v)])
			if err := u.Write(base+code.Symbols[fmt.Sprintf("t%d_%s", n, name)], to); err != nil {
				return err
			}
		}
		return nil
	}}
	for t := range f.columns {
		name := scenario.Main
		if t > 0 {
			name = fmt.Sprintf("thread%d", t)
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: calledOnce(func() scenario.Calls {
			return scenario.Calls{{Func: "code", Addr: base + code.Symbols[fmt.Sprintf("t%d_p%d", n, t)]}}
		})})
	}
	plan.Check = func(v *scenario.View) error {
		read := func(symbol string, offset uint64) int64 {
			b, _ := v.Read(base+code.Symbols[symbol]+offset, 4)
			x := int64(0)
			for i := range b {
				x |= int64(b[i]) << (8 * i)
			}
			return int64(int32(x))
		}
		met, err := f.holds(func(t int, name string) int64 {
			k := slices.Index(registersX86, name)
			if k < 0 {
				k, _ = strconv.Atoi(name[1:])
			}
			return read(fmt.Sprintf("t%d_r%d", n, t), uint64(8*k))
		}, func(name string) int64 { return read(fmt.Sprintf("t%d_%s", n, name), 0) },
			func(name string) int64 { return int64(int32(base + code.Symbols[fmt.Sprintf("t%d_%s", n, name)])) })
		if err != nil {
			return err
		}
		if met != f.forall {
			return &scenario.Failure{Message: "met"}
		}
		return nil
	}
	return plan
}

// litmusFiles reads the tests of an archive with what is known of them.
func litmusFiles(t *testing.T, folder, name string) (list []*litmusFile) {
	t.Helper()
	known := map[string]bool{}
	expected, err := os.Open(filepath.Join(folder, name+"-expected.csv"))
	must(t, err)
	defer func() { _ = expected.Close() }()
	rows, err := csv.NewReader(expected).ReadAll()
	must(t, err)
	for _, r := range rows {
		known[r[0]] = r[1] == "1"
	}
	archive, err := os.Open(filepath.Join(folder, name+".tar.xz"))
	must(t, err)
	defer func() { _ = archive.Close() }()
	x, err := xz.NewReader(archive)
	must(t, err)
	for r := tar.NewReader(x); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		path := strings.TrimPrefix(h.Name, "./")
		met, ok := known[path]
		if !ok {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(r, 1<<16))
		must(t, err)
		f, err := parseLitmus(path, string(text))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		f.met = met
		list = append(list, f)
		delete(known, path)
	}
	if len(known) > 0 {
		t.Errorf("%d tests are not in the archive", len(known))
	}
	slices.SortFunc(list, func(a, b *litmusFile) int { return strings.Compare(a.name, b.name) })
	return list
}

// loadBuffering are tests of the archive whose condition is met only by executions in which program order and rf have a cycle,
// which are not explored: two threads each read what the other one writes later, at last. With poxxs it is the store exclusives
// that are read: the one that leaves what was there has to come first in co, and is behind, in program order, what follows.
var loadBuffering = []string{
	"ATOM/2+2W+poxxs.litmus",
	"ATOM/3.SB+poxxs.litmus",
	"ATOM/ISA2+poxxs.litmus",
	"ATOM/MP+poxxs.litmus",
	"ATOM/R+poxxs.litmus",
	"ATOM/RWC+poxxs+X.litmus",
	"ATOM/S+poxxs.litmus",
	"ATOM/SB+poxxs.litmus",
	"ATOM/W+RWC+poxxs.litmus",
	"ATOM/WRR+2W+poxxs+X.litmus",
	"ATOM/WRW+2W+poxxs+X.litmus",
	"ATOM/WWC+poxxs+X.litmus",
	"ATOM/Z6.0+poxxs.litmus",
	"ATOM/Z6.1+poxxs.litmus",
	"ATOM/Z6.2+poxxs.litmus",
	"ATOM/Z6.3+poxxs.litmus",
	"ATOM/Z6.4+poxxs.litmus",
	"ATOM/Z6.5+poxxs.litmus",
	"Fence2/LB+dmb.ld+po.litmus",
	"SYS/3.LB+dmb.sy+po+data.litmus",
	"SYS/3.LB+dmb.sy+po+po.litmus",
	"SYS/3.LB.litmus",
	"SYS/LB+data+po.litmus",
	"SYS/LB+dataal+po.litmus",
	"SYS/LB+datapl+po.litmus",
	"SYS/LB+dmb.ld+po.litmus",
	"SYS/LB+dmb.ldal+dmb.st.litmus",
	"SYS/LB+dmb.ldal+po.litmus",
	"SYS/LB+dmb.st+dataal.litmus",
	"SYS/LB+dmb.st+dataap.litmus",
	"SYS/LB+dmb.st+datapl.litmus",
	"SYS/LB+dmb.stal+po.litmus",
	"SYS/LB+dmb.syal+po.litmus",
	"SYS/LB+dmb.syap+po.litmus",
	"SYS/LB+dmb.sypl+po.litmus",
	"SYS/LB+po+poal.litmus",
	"TUTO/LB+datas+WW.litmus",
}

// TestLitmusFiles: the litmus tests of a folder, which EMURACE_LITMUS names, come out as it is known of them: those of
// x86 under TSO, those of AArch64 under ARMv8 but for load buffering. Without TEST_THOROUGH=1 one in twenty is run.
func TestLitmusFiles(t *testing.T) {
	folder := os.Getenv("EMURACE_LITMUS")
	if folder == "" {
		t.Skip("EMURACE_LITMUS names no folder of litmus tests")
	}
	for _, of := range []struct {
		name  string
		arch  loader.Arch
		model graph.Model
	}{{"x86", loader.AMD64, graph.TSO}, {"aarch64", loader.ARM64, graph.ARM}} {
		t.Run(of.name, func(t *testing.T) {
			list := litmusFiles(t, folder, of.name)
			if !thorough.On() {
				list = slices.DeleteFunc(list, func(f *litmusFile) bool { return (slices.Index(list, f)+7)%20 != 0 })
			}
			runLitmus(t, testsystem.Of(t, "bookworm", of.arch), list, of.model)
		})
	}
}

// runLitmus runs tests, many with one piece of code.
func runLitmus(t *testing.T, sys *emu.System, list []*litmusFile, model graph.Model) {
	t.Helper()
	const together = 50
	var mu sync.Mutex
	wrong := map[string]string{}
	var wg sync.WaitGroup
	began := time.Now()
	graphs := uint64(0)
	free := make(chan bool, 2)
	for from := 0; from < len(list); from += together {
		some := list[from:min(from+together, len(list))]
		var source strings.Builder
		source.WriteString(prelude)
		for n, f := range some {
			source.WriteString(f.source(n))
		}
		code := guestcode.Build(t, sys.Arch, source.String())
		for n, f := range some {
			free <- true
			wg.Go(func() {
				defer func() { <-free }()
				start := func() (*scenario.Session, error) {
					s, err := scenario.Start(sys, f.plan(code, n), 1)
					if err == nil {
						s.Limit = 100_000
					}
					return s, err
				}
				r, err := Graphs(t.Context(), start, model, Options{Jobs: 1, KeepGoing: true, trusted: true})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					wrong[f.name] = err.Error()
					return
				}
				graphs += r.Schedules
				want := f.met
				if f.negated || f.forall { // what holds is that it does not happen
					want = !f.met
				}
				if slices.Contains(loadBuffering, f.name) {
					want = false
				}
				if got := r.Failing > 0; got != want || !got && r.Verdict != Clean {
					wrong[f.name] = fmt.Sprintf("%d of %d graphs meet the condition, and it can be met: %v; %s", r.Failing, r.Schedules, want, r.Verdict)
				}
			})
		}
	}
	wg.Wait()
	t.Logf("%d tests, %d graphs under %s in %.1f s, %d wrong", len(list), graphs, model, time.Since(began).Seconds(), len(wrong))
	for name, why := range wrong {
		t.Errorf("%s: %s", name, why)
	}
}
