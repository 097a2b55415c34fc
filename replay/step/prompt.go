package step

import (
	"fmt"
	"strconv"
	"strings"

	"emurace/internal/words"
	"emurace/replay/timeline"
)

// prompt is a line that the user types.
type prompt struct {
	label string
	text  []rune
	done  func(m *Model, text string)
}

// maxTyped bounds what is typed or pasted, in characters.
const maxTyped = 400

func (p *prompt) insert(text string) {
	for _, r := range clean(strings.TrimSpace(text)) {
		if len(p.text) < maxTyped {
			p.text = append(p.text, r)
		}
	}
}

func (m *Model) ask(label, proposed string, done func(*Model, string)) {
	m.prompt = &prompt{label: label, text: []rune(clean(proposed)), done: done}
}

// typing takes a key for the prompt.
func (m *Model) typing(key, text string) {
	p := m.prompt
	switch key {
	case "esc":
		m.prompt = nil
	case "enter":
		m.prompt = nil
		p.done(m, strings.TrimSpace(string(p.text)))
	case "backspace":
		if len(p.text) == 0 {
			m.prompt = nil
			return
		}
		p.text = p.text[:len(p.text)-1]
	case "ctrl+u":
		p.text = nil
	case "space":
		p.text = append(p.text, ' ')
	default:
		p.insert(text)
	}
}

func (m *Model) askMoment() {
	m.ask("go to moment: ", "", func(m *Model, text string) { m.goTo(text) })
}

func (m *Model) askSearch() { m.ask("/", "", (*Model).search) }

func (m *Model) askSave() {
	if !m.runIsOver() {
		m.save("?") // says why not
		return
	}
	m.ask("save the schedule as: ", m.o.SaveAs, (*Model).save)
}

func (m *Model) askCommand() { m.ask(":", "", (*Model).command) }

// goTo goes to a moment that is given as a number, a distance, start or end.
func (m *Model) goTo(text string) {
	const command = "go to moment"
	at, length := m.now.at, m.now.len
	n, err := strconv.ParseUint(strings.ReplaceAll(strings.TrimLeft(text, "+-"), ",", ""), 10, 64)
	switch {
	case text == "start":
		n = 0
	case text == "end":
		n = length
	case err != nil:
		m.fail(command, fmt.Sprintf("%q is no number; +N and -N are distances", text))
		return
	case text[0] == '+':
		n = at + min(n, length-at)
	case text[0] == '-':
		n = at - min(n, at)
	case n > length:
		m.fail(command, fmt.Sprintf("the last moment is %d", length))
		return
	}
	m.at(n, command+" "+strconv.FormatUint(n, 10), "", seekCommand(n))
}

// commands are what can be typed after a colon.
var commands = []struct {
	names []string
	args  string // "" for none
	do    func(m *Model, arg string)
}{
	{[]string{"break", "b"}, "FUNCTION|ADDRESS", (*Model).commandBreak},
	{[]string{"watch", "w"}, "ADDRESS", func(m *Model, arg string) { m.commandWatch(arg, false) }},
	{[]string{"awatch"}, "ADDRESS", func(m *Model, arg string) { m.commandWatch(arg, true) }},
	{[]string{"x"}, "ADDRESS", (*Model).commandExamine},
	{[]string{"go", "goto", "seek"}, "N", (*Model).goTo},
	{[]string{"save"}, "NAME", (*Model).save},
	{[]string{"delete"}, "", func(m *Model, _ string) { m.deleteStops() }},
	{[]string{"quit", "q"}, "", func(m *Model, _ string) { m.quit() }},
}

// command does what was typed after a colon.
func (m *Model) command(text string) {
	verb, arg, _ := strings.Cut(text, " ")
	arg = strings.TrimSpace(arg)
	var known []string
	for _, c := range commands {
		for _, n := range c.names {
			if n != verb {
				continue
			}
			if c.args != "" && arg == "" {
				m.fail(verb, "it takes "+c.args)
				return
			}
			c.do(m, arg)
			return
		}
		known = append(known, strings.TrimSpace(c.names[0]+" "+c.args))
	}
	if text != "" {
		m.fail(clean(verb), "no such command; there are "+strings.Join(known, ", "))
	}
}

// address reads an address as gdb does, or the value of a register after a $.
func (m *Model) address(text string) (uint64, bool) {
	if reg, ok := strings.CutPrefix(text, "$"); ok {
		if t := m.pickedThread(); t != nil {
			return t.reg(reg)
		}
		return 0, false
	}
	v, err := strconv.ParseUint(text, 0, 64)
	return v, err == nil
}

func (m *Model) commandBreak(arg string) {
	addr, ok := m.address(strings.TrimPrefix(arg, "*"))
	if !ok {
		var err error
		if addr, err = m.functionAddress(arg); err != nil {
			m.fail("break", fmt.Sprintf("%q is no address, and no function that the run comes to", arg))
			return
		}
	}
	m.setBreak(addr)
}

// functionAddress looks for a function among those that the run comes to, because
// what libc keeps to itself is not exported.
func (m *Model) functionAddress(name string) (uint64, error) {
	line := m.o.Line
	seen := map[uint64]bool{}
	for n := timeline.Moment(0); n < line.Len(); n++ {
		pc, _ := line.PC(n)
		if seen[pc] {
			continue
		}
		seen[pc] = true
		if symbol, off, ok := m.s.Process().Symbol(pc); ok && symbol == name {
			return pc - off, nil
		}
	}
	return 0, fmt.Errorf("no function %q", name)
}

func (m *Model) commandWatch(arg string, reads bool) {
	addr, ok := m.address(arg)
	if !ok {
		m.fail("watch", fmt.Sprintf("%q is no address, such as 0x1234 or $sp", arg))
		return
	}
	if i := m.watchpoint(addr); i >= 0 {
		m.stops = append(m.stops[:i:i], m.stops[i+1:]...)
	}
	m.setWatch(addr, reads)
}

func (m *Model) commandExamine(arg string) {
	addr, ok := m.address(arg)
	if !ok {
		m.fail("x", fmt.Sprintf("%q is no address, such as 0x1234 or $sp", arg))
		return
	}
	m.examining, m.examined = true, addr
	m.view, m.pane, m.sel[addressView] = addressView, memoryPane, 0
	m.now.views = m.lookMemory()
	m.said = status{command: "x", result: "memory from " + words.Hex(addr), gdb: fmt.Sprintf("x/64gx %#x", addr)}
}
