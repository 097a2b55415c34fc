package scenario

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

var recipe = Scenario{
	Name: "demo",
	Params: []Param{
		{Name: "size", Default: "3", Check: func(s string) error {
			if s == "" || strings.Trim(s, "0123456789") != "" {
				return errors.New("not a number")
			}
			return nil
		}},
		{Name: "text", Default: "a=b"},
	},
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		settings []string
		want     []string // as Settings writes them
		err      string
	}{
		{nil, []string{"size=3", "text=a=b"}, ""},
		{[]string{"size=12"}, []string{"size=12", "text=a=b"}, ""},
		{[]string{"text=", "size=1"}, []string{"size=1", "text="}, ""},
		{[]string{"text=x=y=z"}, []string{"size=3", "text=x=y=z"}, ""},
		{[]string{"size=1", "size=2"}, []string{"size=2", "text=a=b"}, ""},
		{[]string{"size"}, nil, `setting "size": not NAME=VALUE`},
		{[]string{""}, nil, `setting "": not NAME=VALUE`},
		{[]string{"=1"}, nil, `setting "=1": demo has no parameter "", only size, text`},
		{[]string{"sise=1"}, nil, `setting "sise=1": demo has no parameter "sise", only size, text`},
		{[]string{"Size=1"}, nil, `setting "Size=1": demo has no parameter "Size", only size, text`},
		{[]string{"size=x"}, nil, `setting "size=x": not a number`},
		{[]string{"size=1", "size="}, nil, `setting "size=": not a number`},
		{[]string{"text=a\x00b"}, nil, `setting "text": holds a NUL`},
	} {
		v, err := recipe.Settle(c.settings)
		if c.err != "" {
			if err == nil || err.Error() != c.err || v != nil {
				t.Errorf("%q: %v, %v; want the error %s", c.settings, v, err, c.err)
			}
			continue
		}
		if got := recipe.Settings(v); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.settings, got, err, c.want)
		}
		again, err := recipe.Settle(recipe.Settings(v))
		if err != nil || !slices.Equal(recipe.Settings(again), c.want) {
			t.Errorf("%q: settled once more: %v, %v", c.settings, again, err)
		}
	}
	if recipe.Params[0].Default != "3" {
		t.Error("settling changed the scenario")
	}
}

func TestCallString(t *testing.T) {
	for _, c := range []struct {
		call Call
		want string
	}{
		{call("abort"), "abort()"},
		{call("getenv", Str("LANGUAGE")), `getenv("LANGUAGE")`},
		{call("setenv", Str("A"), Str(""), Int(1)), `setenv("A", "", 1)`},
		{call("free", Int(4095)), "free(4095)"},
		{call("free", Int(4096)), "free(0x1000)"},
		{call("puts", Str("a\"\n\x01")), `puts("a\"\n\x01")`},
		{call("f", Float64(1.5), Float64(-2), Float64(1e100), Int(3), Float32(0.1)), "f(1.5, -2.0, 1e+100, 3, 0.1f)"},
		{call("f", Float64(math.Inf(1)), Float64(math.Inf(-1)), Float32(float32(math.NaN())), Float64(0)), "f(inf, -inf, nan, 0.0)"},
		{Call{Func: "code", Addr: 0x5000, Args: []Arg{Int(^uint64(0))}}, "code(0xffffffffffffffff)"},
	} {
		if got := c.call.String(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestCalls(t *testing.T) {
	body := Calls{call("first"), call("second")}
	for i, want := range []string{"first", "second", "", ""} {
		got, more, err := body.Next(make([]uint64, i))
		if err != nil || more != (want != "") || got.Func != want {
			t.Errorf("after %d results: %q, %v", i, got.Func, more)
		}
	}
}
