package scripts

import (
	"fmt"
	"testing"
)

func TestAlwaysSet(t *testing.T) {
	env := []string{"A=1", "AB=2", "EMPTY="}
	read := func(addr uint64) (string, bool) {
		s, ok := map[uint64]string{1: "1", 2: "2", 3: ""}[addr]
		return s, ok
	}
	for _, c := range []struct {
		name string
		got  uint64
		want string
	}{
		{"A", 1, ""}, {"AB", 2, ""}, {"EMPTY", 3, ""},
		{"A", 0, `getenv("A") returned NULL, though it was "1" all the time`},
		{"AB", 1, `getenv("AB") returned "1", though it was "2" all the time`},
		{"A", 9, `getenv("A") returned "", though it was "1" all the time`},
		{"EMPTY", 9, `getenv("EMPTY") returned "", though it was "" all the time`},
	} {
		err := alwaysSet(c.name, env)([][]uint64{{c.got}, {0, 0}}, read)
		if text := fmt.Sprint(err); err == nil && c.want != "" || err != nil && text != c.want {
			t.Errorf("%s at %d: %v, want %q", c.name, c.got, err, c.want)
		}
	}
	for _, absent := range []string{"B", "SSL_CERT_FILE", "="} {
		if alwaysSet(absent, env) != nil {
			t.Errorf("%q is checked", absent)
		}
	}
}
