package corefile_test

import (
	"testing"

	"emurace/internal/testcores"
)

func TestMain(m *testing.M) { testcores.Main(m) }
