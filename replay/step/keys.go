package step

import "charm.land/bubbles/v2/key"

// binding is a key of the debugger.
type binding struct {
	keys  key.Binding
	group string
	gdb   string // the command of gdb's that does the same, "" for none
	do    func(*Model)
}

func (b binding) matches(pressed string) bool {
	for _, k := range b.keys.Keys() {
		if k == pressed {
			return true
		}
	}
	return false
}

// The groups that the help shows keys in.
const (
	forwards  = "Forwards"
	backwards = "Backwards"
	jumps     = "To a place"
	stopping  = "Stops"
	trying    = "Another schedule"
	looking   = "What is shown"
)

func bind(group, shown, what, gdb string, do func(*Model), keys ...string) binding {
	if len(keys) == 0 {
		keys = []string{shown}
	}
	return binding{keys: key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, what)), group: group, gdb: gdb, do: do}
}

// bindings are all keys of the debugger, in the order of the help. They are made
// once, in a function, because the help itself is one of them.
var bindings []binding

func init() {
	bindings = []binding{
		bind(forwards, "s", "one instruction", "stepi", (*Model).step),
		bind(forwards, "n", "one instruction of this thread, over calls", "nexti", (*Model).next),
		bind(forwards, "f", "to where this function returns", "finish", (*Model).finish),
		bind(forwards, "c", "to the next breakpoint, watchpoint or the end", "continue", (*Model).cont),
		bind(forwards, "t", "to the next switch of threads", "", (*Model).nextSwitch),
		bind(backwards, "S", "one instruction", "reverse-stepi", (*Model).stepBack),
		bind(backwards, "N", "one instruction of this thread, over calls", "reverse-nexti", (*Model).nextBack),
		bind(backwards, "F", "to where this function was called", "reverse-finish", (*Model).finishBack),
		bind(backwards, "C", "to the last breakpoint, watchpoint or the start", "reverse-continue", (*Model).contBack),
		bind(backwards, "T", "to the last switch of threads", "", (*Model).lastSwitch),
		bind(jumps, "m", "to the next card of the lesson", "", (*Model).nextMoment),
		bind(jumps, "M", "to the last card of the lesson", "", (*Model).lastMoment),
		bind(jumps, "g", "to a moment: behind so many instructions", "monitor seek N", (*Model).askMoment),
		bind(jumps, "home", "to the start of the race", "monitor seek start", (*Model).toStart),
		bind(jumps, "end", "to the end of the run", "monitor seek end", (*Model).toEnd),
		bind(jumps, "/", "search: a function, a mnemonic, an address, a value", "", (*Model).askSearch),
		bind(jumps, "> <", "the next and the last that was searched for", "", nil),
		bind(stopping, "b", "breakpoint at the selected instruction", "break *ADDRESS", (*Model).toggleBreak),
		bind(stopping, "w", "watchpoint on the selected word: writes, any access, none", "watch *ADDRESS", (*Model).cycleWatch),
		bind(stopping, "D", "take all of them away", "delete", (*Model).deleteStops),
		bind(trying, "x", "free stepping: choose which thread runs", "", (*Model).explore),
		bind(trying, "1..9", "run this thread; with shift, ten times as long", "", nil),
		bind(trying, "+ -", "instructions for each of those keys: 1, 10, 100, 1000", "", nil),
		bind(trying, "o", "run on to the end", "", (*Model).runOut),
		bind(trying, "r", "back to the recorded run", "", (*Model).returnToRecord),
		bind(trying, "W", "save this schedule as a trace", "", (*Model).askSave),
		bind(looking, "tab", "the next pane", "", (*Model).nextPane),
		bind(looking, "z", "this pane alone, or all", "", (*Model).zoom),
		bind(looking, "up down", "select a line; also page up and down", "", nil),
		bind(looking, "left right", "another thread, or another view of memory", "", nil),
		bind(looking, "v", "the next view of memory: block, environ, heap, stack, address", "", (*Model).nextView),
		bind(looking, "i", "what is known of the run: why it failed, stops, schedule", "", (*Model).showInfo),
		bind(looking, "L", "the lesson", "", (*Model).showLesson),
		bind(looking, ":", "a command: break, watch, x, go, save, quit", "", (*Model).askCommand),
		bind(looking, "?", "this list", "", (*Model).showHelp),
		bind(looking, "q", "quit", "quit", (*Model).quit),
	}
	// The two halves of what is shown in one line.
	bindings = append(bindings,
		bind("", ">", "", "", (*Model).searchNext), bind("", "<", "", "", (*Model).searchLast),
		bind("", "+", "", "", (*Model).more, "+", "="), bind("", "-", "", "", (*Model).fewer),
		bind("", "up", "", "", func(m *Model) { m.move(-1) }, "up", "k"),
		bind("", "down", "", "", func(m *Model) { m.move(1) }, "down", "j"),
		bind("", "pgup", "", "", func(m *Model) { m.move(-10) }),
		bind("", "pgdown", "", "", func(m *Model) { m.move(10) }),
		bind("", "left", "", "", func(m *Model) { m.turn(-1) }, "left", "h"),
		bind("", "right", "", "", func(m *Model) { m.turn(1) }, "right", "l"),
		bind("", "shift+tab", "", "", (*Model).lastPane),
		bind("", "V", "", "", (*Model).lastView),
		bind("", "esc", "", "", (*Model).escape),
	)
}

// shifted are the keys of the digits with shift, as an English keyboard has them.
const shifted = "!@#$%^&*("

// threadKey tells which thread a key of free stepping is for, and how many times
// as long it is to run.
func threadKey(k string) (thread int, times uint64, ok bool) {
	if len(k) == 1 && k >= "1" && k <= "9" {
		return int(k[0] - '1'), 1, true
	}
	for i, c := range shifted {
		if k == string(c) {
			return i, 10, true
		}
	}
	return 0, 0, false
}
