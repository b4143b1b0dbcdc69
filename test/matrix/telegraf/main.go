// Scrapes as Telegraf does, by its plugin inputs.prometheus: each line of stdin is a scrape, and each line of stdout its
// series or its error. The plugin of one configuration goes on living, as it does there.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/logger"
	"github.com/influxdata/telegraf/plugins/inputs/prometheus"
)

type scrape struct {
	URL             string `json:"url"`
	Accept          string `json:"accept"`
	CaFile          string `json:"caFile"`
	CertificateFile string `json:"certificateFile"`
	KeyFile         string `json:"keyFile"`
	TokenFile       string `json:"tokenFile"`
}

type result struct {
	Series []string `json:"series"`
	Error  string   `json:"error,omitempty"`
}

// What a plugin gathers, once.
type gathered struct {
	telegraf.Accumulator
	mutex sync.Mutex
	result
}

func (g *gathered) AddFields(_ string, fields map[string]interface{}, tags map[string]string, _ ...time.Time) {
	labels := make([]string, 0, len(tags))
	for name, value := range tags {
		labels = append(labels, fmt.Sprintf("%s=%q", name, value))
	}
	sort.Strings(labels)
	braced := ""
	if len(labels) > 0 {
		braced = "{" + strings.Join(labels, ", ") + "}"
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for name, value := range fields {
		g.Series = append(g.Series, fmt.Sprintf("%s%s %v", name, braced, value))
	}
}

func (g *gathered) AddGauge(name string, fields map[string]interface{}, tags map[string]string, at ...time.Time) {
	g.AddFields(name, fields, tags, at...)
}

func (g *gathered) AddCounter(name string, fields map[string]interface{}, tags map[string]string, at ...time.Time) {
	g.AddFields(name, fields, tags, at...)
}

func (g *gathered) AddSummary(name string, fields map[string]interface{}, tags map[string]string, at ...time.Time) {
	g.AddFields(name, fields, tags, at...)
}

func (g *gathered) AddHistogram(name string, fields map[string]interface{}, tags map[string]string, at ...time.Time) {
	g.AddFields(name, fields, tags, at...)
}

func (g *gathered) AddError(err error) {
	if err != nil {
		g.Error = err.Error()
	}
}

func main() {
	plugins := map[scrape]*prometheus.Prometheus{}
	lines := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var given scrape
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			panic(err)
		}
		if plugins[given] == nil {
			plugin, err := pluginOf(given)
			if err != nil {
				panic(err)
			}
			plugins[given] = plugin
		}
		seen := &gathered{result: result{Series: []string{}}}
		if err := plugins[given].Gather(seen); err != nil {
			seen.Error = err.Error()
		}
		if err := output.Encode(seen.result); err != nil {
			panic(err)
		}
	}
}

func pluginOf(given scrape) (*prometheus.Prometheus, error) {
	plugin := &prometheus.Prometheus{
		URLs:          []string{given.URL},
		MetricVersion: 2,
		BearerToken:   given.TokenFile,
		Log:           logger.New("inputs", "prometheus", ""),
	}
	if given.Accept != "" {
		plugin.HTTPHeaders = map[string]string{"Accept": given.Accept}
	}
	plugin.TLSCA = given.CaFile
	plugin.TLSCert = given.CertificateFile
	plugin.TLSKey = given.KeyFile
	return plugin, plugin.Init()
}
