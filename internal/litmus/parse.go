package litmus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"emurace/loader"
)

// Bounds of what Parse reads. The largest file of the collections is below 4 KB.
const (
	maxText    = 1 << 16
	maxThreads = 64
	maxDepth   = 200 // of a condition's parentheses
)

// Parse reads a litmus file of AArch64 or X86. Its errors say what of it is not understood.
func Parse(text string) (*Test, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("litmus: %d bytes, more than %d", len(text), maxText)
	}
	text, err := uncommented(text)
	if err != nil {
		return nil, fmt.Errorf("litmus: %w", err)
	}
	t, err := parse(text)
	if err != nil {
		if t != nil && t.Name != "" {
			return nil, fmt.Errorf("litmus: %s: %w", t.Name, err)
		}
		return nil, fmt.Errorf("litmus: %w", err)
	}
	return t, nil
}

// uncommented puts a space in the place of each comment, (* ... *), which may have others in it. In a string of the
// heading there is none.
func uncommented(text string) (string, error) {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case depth == 0 && text[i] == '"':
			quoted = !quoted
		case text[i] == '\n':
			quoted = false
		case !quoted && strings.HasPrefix(text[i:], "(*"):
			depth++
			i++
			continue
		case depth > 0 && strings.HasPrefix(text[i:], "*)"):
			if depth--; depth == 0 {
				b.WriteByte(' ')
			}
			i++
			continue
		}
		if depth == 0 {
			b.WriteByte(text[i])
		}
	}
	if depth > 0 {
		return "", errors.New("a comment does not end")
	}
	return b.String(), nil
}

func parse(text string) (*Test, error) {
	heading, text, _ := strings.Cut(strings.TrimSpace(text), "\n")
	words := strings.Fields(heading)
	if len(words) < 2 {
		return nil, errors.New("the first line is not ARCHITECTURE NAME")
	}
	t := &Test{Name: words[1]}
	switch words[0] {
	case "AArch64":
		t.Arch = loader.ARM64
	case "X86":
		t.Arch = loader.AMD64
	default:
		return t, fmt.Errorf("%q is not AArch64 or X86", words[0])
	}
	text, err := beginning(text)
	if err != nil {
		return t, err
	}
	init, text, ok := strings.Cut(text, "}")
	if !ok {
		return t, errors.New("the { of what is there first has no }")
	}
	if err := t.parseInit(init); err != nil {
		return t, err
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), ";")
	if text, err = t.parseColumns(text); err != nil {
		return t, err
	}
	return t, t.parseEnd(text)
}

// beginning is what is behind the {. What comes before it is for people, and for diy.
func beginning(text string) (string, error) {
	quoted := false
	for i := range len(text) {
		switch text[i] {
		case '"':
			quoted = !quoted
		case '\n':
			quoted = false
		case '{':
			if !quoted {
				return text[i+1:], nil
			}
		}
	}
	return "", errors.New("there is no { with what is there first")
}

// parseInit reads what is between { and }.
func (t *Test) parseInit(text string) error {
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		left, right, assigned := strings.Cut(part, "=")
		var init Init
		words := strings.Fields(strings.ReplaceAll(left, "*", "* "))
		for len(words) > 1 {
			init.Type = strings.TrimSpace(init.Type + " " + words[0])
			words = words[1:]
		}
		init.Type = strings.ReplaceAll(init.Type, " *", "*")
		if _, known := sizes[strings.TrimRight(init.Type, "*")]; init.Type != "" && !known {
			return fmt.Errorf("first: %q: there is no type %q", part, init.Type)
		}
		if len(words) == 0 {
			return fmt.Errorf("first: %q names nothing", part)
		}
		var err error
		if init.Place, err = t.place(words[0]); err != nil {
			return fmt.Errorf("first: %w", err)
		}
		if assigned {
			if init.Value, err = value(strings.TrimPrefix(strings.TrimSpace(right), "&")); err != nil {
				return fmt.Errorf("first: %s: %w", words[0], err)
			}
		}
		t.Init = append(t.Init, init)
	}
	return nil
}

// place reads x, [x], 0:X1, 0:W1 or P0:EAX.
func (t *Test) place(text string) (Place, error) {
	thread, name, register := strings.Cut(text, ":")
	if !register {
		name = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
		if !identifier(name) {
			return Place{}, fmt.Errorf("%q is no location", text)
		}
		return Place{Memory, name}, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(thread), "P"), 10, 16)
	if err != nil || n >= maxThreads {
		return Place{}, fmt.Errorf("%q has no number of a thread", text)
	}
	name = strings.ToUpper(strings.TrimSpace(name))
	if t.Arch == loader.ARM64 {
		if r, ok := RegisterARM(name); ok && r < Zero {
			return Place{int(n), fmt.Sprintf("X%d", r)}, nil
		}
	} else if RegisterX86(name) >= 0 {
		return Place{int(n), name}, nil
	}
	return Place{}, fmt.Errorf("%q has no register", text)
}

// value reads a number or the name of a location.
func value(text string) (Value, error) {
	text = strings.TrimSpace(text)
	if identifier(text) {
		return Value{At: text}, nil
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return Value{Number: n}, nil
	}
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		return Value{Number: int64(n)}, nil
	}
	return Value{}, fmt.Errorf("%q is no number and no location", text)
}

// identifier tells whether a text is a name as in C.
func identifier(text string) bool {
	for i, c := range []byte(text) {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// parseColumns reads the rows of the threads' instructions, and returns what is behind them.
func (t *Test) parseColumns(text string) (string, error) {
	for {
		text = strings.TrimSpace(text)
		if text == "" || isEnd(text) {
			break
		}
		row, rest, ok := strings.Cut(text, ";")
		if !ok {
			return "", fmt.Errorf("the row %q does not end with ;", row)
		}
		text = rest
		cells := strings.Split(row, "|")
		if t.Threads == nil {
			if err := names(cells); err != nil {
				return "", err
			}
			t.Threads = make([][]Line, len(cells))
			continue
		}
		if len(cells) != len(t.Threads) {
			return "", fmt.Errorf("the row %q has %d columns instead of %d", row, len(cells), len(t.Threads))
		}
		for i, c := range cells {
			l, err := line(c)
			if err != nil {
				return "", err
			}
			if l.Labels != nil || l.Text != "" {
				t.Threads[i] = append(t.Threads[i], l)
			}
		}
	}
	if t.Threads == nil {
		return "", errors.New("there are no threads")
	}
	for _, i := range t.Init {
		if i.Place.Thread >= len(t.Threads) {
			return "", fmt.Errorf("first: %s: there is no such thread", i.Place)
		}
	}
	return text, nil
}

// names checks the first row: P0, P1 ...
func names(cells []string) error {
	if len(cells) > maxThreads {
		return fmt.Errorf("%d threads, more than %d", len(cells), maxThreads)
	}
	for i, c := range cells {
		if c = strings.TrimSpace(c); c != fmt.Sprintf("P%d", i) {
			return fmt.Errorf("thread %d is called %q", i, c)
		}
	}
	return nil
}

// line reads a cell: LABEL: ... INSTRUCTION.
func line(text string) (l Line, err error) {
	for {
		text = strings.TrimSpace(text)
		name, rest, found := strings.Cut(text, ":")
		if !found {
			break
		}
		if name = strings.TrimSpace(name); !identifier(name) {
			return l, fmt.Errorf("%q is no label", name)
		}
		l.Labels = append(l.Labels, name)
		text = rest
	}
	l.Text = strings.Join(strings.Fields(text), " ")
	return l, nil
}
