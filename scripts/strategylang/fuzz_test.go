package strategylang_test

import (
	"errors"
	"testing"
	"time"

	"emurace/scripts"
	"emurace/scripts/portable"
	"emurace/scripts/sandbox"
	"emurace/scripts/strategylang"
)

// Whatever a file holds, it is read without a panic and in bounded time, and what is
// wrong with it is an error of its own. Its runs, written again, are the same.
func FuzzSchedule(f *testing.F) {
	for _, text := range []string{
		"run(\"main\", until = reads(\"environ\"))\nrun(\"worker\", until = returns(\"setenv\"), hit = 2)\nrun(\"main\", n = 4)",
		"run(\"a\", until = touches(word(word(\"x\") + 8) - 4, size = 4, value = 1, in_ = \"f\"))",
		"run(\"a\", until = calls(\"l!f@V\"))\nrun(\"a\", until = next_event)\nrun(\"a\", \"f+0x8\")",
		"def next(point):\n    return point.choice(point.threads)",
		"def search(s):\n    while s.more():\n        s.run(order = [s.choice(s.threads)])",
		"[run(str(i), n = i) for i in range(9)]",
		"while True:\n    run(\"a\")",
		"x = word\nwhile True:\n    x = x(\"a\")",
		"run(\"\\x00\\xff\", reads(1 << 63))",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		s, err := tryRead(text)
		if spent := time.Since(began); spent > 30*time.Second {
			t.Fatalf("%v for %q", spent, text)
		}
		if err != nil {
			var bad *sandbox.Error
			if !errors.As(err, &bad) && !errors.Is(err, strategylang.ErrNone) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if len(s.Runs) == 0 {
			return
		}
		again, err := scripts.Compile(file, portable.Text(s.Runs))
		if err != nil {
			t.Fatalf("%q gives %q: %v", text, portable.Text(s.Runs), err)
		}
		back, err := again.Schedule()
		if err != nil {
			t.Fatalf("%q gives %q: %v", text, portable.Text(s.Runs), err)
		}
		if portable.Text(back.Runs) != portable.Text(s.Runs) {
			t.Fatalf("%q gives %q, and then %q", text, portable.Text(s.Runs), portable.Text(back.Runs))
		}
	})
}
