package litmus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Words with which what is behind the threads' columns begins.
var endings = []string{"exists", "~exists", "forall", "final", "filter", "locations", "<<"}

// isEnd tells whether a row is none, but what comes behind them.
func isEnd(text string) bool {
	word := tokens{text: text}.next()
	if word == "~" {
		return true
	}
	return slices.Contains(endings, word)
}

// parseEnd reads what is behind the columns: locations, filter and the condition. Behind that the files of some
// tools have more, which is for those.
func (t *Test) parseEnd(text string) error {
	p := &end{test: t, tokens: tokens{text: text}}
	for {
		switch word := p.take(); word {
		case "locations":
			if err := p.locations(); err != nil {
				return err
			}
		case "filter":
			c, err := p.condition(0)
			if err != nil {
				return err
			}
			t.Filter = c
		case "exists", "final", "forall", "~":
			switch {
			case word == "forall":
				t.Asks = ForAll
			case word == "~":
				if word = p.take(); word != "exists" {
					return fmt.Errorf("~%s is no question", word)
				}
				t.Asks = NotExists
			}
			c, err := p.condition(0)
			if err != nil {
				return err
			}
			t.Cond = c
			return p.rest()
		case "":
			return errors.New("there is no condition")
		case ";":
		default:
			return fmt.Errorf("%q is no question", word)
		}
	}
}

// rest checks that what is behind the condition is known to be of no account.
func (p *end) rest() error {
	for {
		switch word := p.take(); word {
		case ";":
		case "", "with", "<<":
			return nil
		default:
			return fmt.Errorf("%q is behind the condition", word)
		}
	}
}

// tokens cuts a text into words.
type tokens struct{ text string }

// next is the first word, "" at the end.
func (t tokens) next() string {
	t.text = strings.TrimLeft(t.text, " \t\r\n")
	if t.text == "" {
		return ""
	}
	for _, sign := range []string{`/\`, `\/`, "==", "!=", "<>", "=>", "<<"} {
		if strings.HasPrefix(t.text, sign) {
			return sign
		}
	}
	n := 0
	for n < len(t.text) && wordByte(t.text[n]) {
		n++
	}
	return t.text[:max(n, 1)]
}

func wordByte(c byte) bool {
	return c == '_' || c == '-' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// take cuts off the first word.
func (t *tokens) take() string {
	word := t.next()
	t.text = strings.TrimLeft(t.text, " \t\r\n")[len(word):]
	return word
}

// accept cuts off the first word if it is one of these.
func (t *tokens) accept(words ...string) bool {
	if !slices.Contains(words, t.next()) {
		return false
	}
	t.take()
	return true
}

// end is what is behind a test's columns.
type end struct {
	test *Test
	tokens
}

// locations reads [x; 0:X1; ...].
func (p *end) locations() error {
	if !p.accept("[") {
		return errors.New("locations: no [")
	}
	for !p.accept("]") {
		if p.accept(";") {
			continue
		}
		place, err := p.place()
		if err != nil {
			return fmt.Errorf("locations: %w", err)
		}
		p.test.Shown = append(p.test.Shown, place)
	}
	return nil
}

// place reads a register or location.
func (p *end) place() (Place, error) {
	bracket := p.accept("[")
	text := p.take()
	if bracket && !p.accept("]") {
		return Place{}, fmt.Errorf("[%s has no ]", text)
	}
	if p.accept(":") {
		text += ":" + p.take()
	}
	place, err := p.test.place(text)
	if err == nil && place.Thread >= len(p.test.Threads) {
		err = fmt.Errorf("%s: there is no such thread", place)
	}
	return place, err
}

// condition reads one: => binds least, then \/, /\ and ~.
func (p *end) condition(depth int) (*Cond, error) {
	left, err := p.joined(Or, []string{`\/`, "||"}, func() (*Cond, error) {
		return p.joined(And, []string{`/\`, "&&"}, func() (*Cond, error) { return p.single(depth) })
	})
	if err != nil || !p.accept("=>") {
		return left, err
	}
	if depth > maxDepth {
		return nil, errors.New("the condition is too deep")
	}
	right, err := p.condition(depth + 1)
	if err != nil {
		return nil, err
	}
	return &Cond{Op: Or, Of: []*Cond{{Op: Not, Of: []*Cond{left}}, right}}, nil
}

// joined reads parts with signs between them.
func (p *end) joined(op Op, signs []string, part func() (*Cond, error)) (*Cond, error) {
	first, err := part()
	if err != nil {
		return nil, err
	}
	list := []*Cond{first}
	for p.accept(signs...) {
		next, err := part()
		if err != nil {
			return nil, err
		}
		list = append(list, next)
	}
	if len(list) == 1 {
		return first, nil
	}
	return &Cond{Op: op, Of: list}, nil
}

// single reads a condition that is not joined.
func (p *end) single(depth int) (*Cond, error) {
	if depth > maxDepth {
		return nil, errors.New("the condition is too deep")
	}
	switch {
	case p.accept("~", "not"):
		c, err := p.single(depth + 1)
		return &Cond{Op: Not, Of: []*Cond{c}}, err
	case p.accept("true"):
		return &Cond{Bool: true}, nil
	case p.accept("false"):
		return &Cond{}, nil
	case p.accept("("):
		c, err := p.condition(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, fmt.Errorf("%q instead of )", p.next())
		}
		return c, nil
	}
	c := &Cond{Op: Is}
	var err error
	if c.Place, err = p.place(); err != nil {
		return nil, err
	}
	if p.accept("!=", "<>") {
		c.Op = IsNot
	} else if !p.accept("=", "==") {
		return nil, fmt.Errorf("%q instead of =", p.next())
	}
	if c.Value, err = value(p.take()); err != nil {
		return nil, err
	}
	return c, nil
}
