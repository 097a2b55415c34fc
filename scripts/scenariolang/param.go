package scenariolang

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// parameter is what a value of a parameter has to be.
type parameter struct {
	kind     string // int, bool or string
	min, max starlark.Value
	choices  []string
	check    starlark.Callable
}

// param declares a parameter and is its value: as set, or the default.
func param(r *reading, t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name, help, tunable string
	var otherwise starlark.Value
	var choices *starlark.List
	p := parameter{min: starlark.None, max: starlark.None}
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "default", &otherwise, "help", &help,
		"min?", &p.min, "max?", &p.max, "choices?", &choices, "check??", &p.check, "tunable?", &tunable); err != nil {
		return nil, err
	}
	if name == "" || strings.ContainsAny(name, "= ") || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return nil, fmt.Errorf("param: %q: not a name", name)
	}
	if _, there := r.values[name]; there {
		return nil, fmt.Errorf("param: %q is declared twice", name)
	}
	text := ""
	switch v := otherwise.(type) {
	case starlark.Int:
		p.kind, text = "int", v.String()
	case starlark.Bool:
		p.kind, text = "bool", boolText(bool(v))
	case starlark.String:
		p.kind, text = "string", string(v)
	default:
		return nil, fmt.Errorf("param: the default is %s, not a number, a text or a bool", otherwise.Type())
	}
	if choices != nil {
		for c := range starlark.Elements(choices) {
			s, ok := starlark.AsString(c)
			if !ok {
				s = c.String()
			}
			p.choices = append(p.choices, s)
		}
	}
	if err := p.bounds(); err != nil {
		return nil, fmt.Errorf("param %q: %w", name, err)
	}
	if set, ok := r.settings[name]; ok {
		text = set
	}
	v, err := p.value(text)
	if err != nil {
		return nil, fmt.Errorf("param: %s=%s: %w", name, text, err)
	}
	r.values[name] = v
	r.params = append(r.params, p)
	def := otherwise.String()
	switch o := otherwise.(type) {
	case starlark.String:
		def = string(o)
	case starlark.Bool:
		def = boolText(bool(o))
	}
	r.sc.Params = append(r.sc.Params, scenario.Param{Name: name, Default: def, Help: sandbox.Printable(help), Values: sandbox.Printable(p.values(help)), Tunable: tunable})
	return v, r.bound(len(r.sc.Params))
}

func (p *parameter) bounds() error {
	for _, v := range []starlark.Value{p.min, p.max} {
		if _, ok := v.(starlark.Int); v != starlark.None && (!ok || p.kind != "int") {
			return errors.New("min and max are numbers, for a parameter that is one")
		}
	}
	return nil
}

// value reads a setting. What the parameter's own check function says comes later;
// see checkParam.
func (p *parameter) value(text string) (starlark.Value, error) {
	if len(p.choices) > 0 {
		ok := false
		for _, c := range p.choices {
			ok = ok || c == text
		}
		if !ok {
			return nil, fmt.Errorf("not one of %q", p.choices)
		}
	}
	switch p.kind {
	case "bool":
		switch text {
		case "on", "yes", "true", "1":
			return starlark.True, nil
		case "off", "no", "false", "0":
			return starlark.False, nil
		}
		return nil, errors.New("not on or off")
	case "string":
		return starlark.String(text), nil
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.BitLen() > 64 {
		return nil, errors.New("not a number" + p.rangeText())
	}
	v := starlark.MakeBigInt(n)
	low, isLow := p.min.(starlark.Int)
	high, isHigh := p.max.(starlark.Int)
	if isLow && v.BigInt().Cmp(low.BigInt()) < 0 || isHigh && v.BigInt().Cmp(high.BigInt()) > 0 {
		return nil, errors.New("not a number" + p.rangeText())
	}
	return v, nil
}

func (p *parameter) rangeText() string {
	text := ""
	if p.min != starlark.None {
		text += " from " + p.min.String()
	}
	if p.max != starlark.None {
		text += " to " + p.max.String()
	}
	return text
}

// values says what the parameter can be, "" where its help does.
func (p *parameter) values(help string) string {
	said := len(p.choices) > 0
	for _, c := range p.choices {
		said = said && strings.Contains(help, c)
	}
	switch {
	case said:
		return ""
	case len(p.choices) > 1:
		last := len(p.choices) - 1
		return strings.Join(p.choices[:last], ", ") + " or " + p.choices[last]
	case p.kind == "bool":
		return "on or off"
	case p.kind == "int" && p.min != starlark.None && p.max != starlark.None:
		return p.min.String() + " to " + p.max.String()
	case p.kind == "int":
		return "a number" + p.rangeText()
	}
	return ""
}

func boolText(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// checkParam says what is wrong with a setting of the parameter.
func (p *process) checkParam(of scenario.Param) func(string) error {
	var rules parameter
	for i, s := range p.plan.sc.Params {
		if s.Name == of.Name {
			rules = p.plan.params[i]
		}
	}
	return func(text string) error {
		v, err := rules.value(text)
		if err != nil || rules.check == nil {
			return err
		}
		said, err := p.program.Call(p.host, rules.check, v)
		var f *sandbox.Failure
		switch {
		case errors.As(err, &f):
			return errors.New(f.Msg)
		case err != nil:
			return err
		case said == starlark.None:
			return nil
		}
		if s, ok := starlark.AsString(said); ok {
			return errors.New(s)
		}
		return fmt.Errorf("%s returned %s, not a text that says what is wrong, or None", rules.check.Name(), said.Type())
	}
}
