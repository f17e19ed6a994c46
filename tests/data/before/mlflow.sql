BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('dc11669786a5');
CREATE TABLE "assessments" (
	assessment_id VARCHAR(50) NOT NULL, 
	trace_id VARCHAR(50) NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	assessment_type VARCHAR(20) NOT NULL, 
	value TEXT NOT NULL, 
	error TEXT, 
	created_timestamp BIGINT NOT NULL, 
	last_updated_timestamp BIGINT NOT NULL, 
	source_type VARCHAR(50) NOT NULL, 
	source_id VARCHAR(250), 
	run_id VARCHAR(32), 
	span_id VARCHAR(50), 
	rationale TEXT, 
	overrides VARCHAR(50), 
	valid BOOLEAN NOT NULL, 
	assessment_metadata TEXT, 
	experiment_id INTEGER, 
	trace_timestamp_ms BIGINT, 
	aggregate_value FLOAT, 
	is_numeric_value BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT assessments_pk PRIMARY KEY (assessment_id), 
	CONSTRAINT fk_assessments_trace_id FOREIGN KEY(trace_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE budget_policies (
	budget_policy_id VARCHAR(36) NOT NULL, 
	budget_unit VARCHAR(32) NOT NULL, 
	budget_amount FLOAT NOT NULL, 
	duration_unit VARCHAR(32) NOT NULL, 
	duration_value INTEGER NOT NULL, 
	target_scope VARCHAR(32) NOT NULL, 
	budget_action VARCHAR(32) NOT NULL, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, target_value VARCHAR(255), 
	CONSTRAINT budget_policies_pk PRIMARY KEY (budget_policy_id)
);
CREATE TABLE "datasets" (
	dataset_uuid VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	digest VARCHAR(36) NOT NULL, 
	dataset_source_type VARCHAR(36) NOT NULL, 
	dataset_source TEXT NOT NULL, 
	dataset_schema TEXT, 
	dataset_profile TEXT, 
	CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
	CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO "datasets" VALUES('fa693a18db2c44cca5b558421c43be8f',1,'digits','bd7f75c4654451d4','nemo','{"image_size": 32, "name": "digits", "options": {"test_images": 100, "train_images": 200}}',NULL,'{"num_classes": 10, "validation": 0.2}');
CREATE TABLE endpoint_bindings (
	endpoint_id VARCHAR(36) NOT NULL, 
	resource_type VARCHAR(50) NOT NULL, 
	resource_id VARCHAR(255) NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), display_name VARCHAR(255), 
	CONSTRAINT endpoint_bindings_pk PRIMARY KEY (endpoint_id, resource_type, resource_id), 
	CONSTRAINT fk_endpoint_bindings_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE
);
CREATE TABLE endpoint_model_mappings (
	mapping_id VARCHAR(36) NOT NULL, 
	endpoint_id VARCHAR(36) NOT NULL, 
	model_definition_id VARCHAR(36) NOT NULL, 
	weight FLOAT NOT NULL, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, linkage_type VARCHAR(64) DEFAULT 'PRIMARY' NOT NULL, fallback_order INTEGER, 
	CONSTRAINT endpoint_model_mappings_pk PRIMARY KEY (mapping_id), 
	CONSTRAINT fk_endpoint_model_mappings_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE, 
	CONSTRAINT fk_endpoint_model_mappings_model_definition_id FOREIGN KEY(model_definition_id) REFERENCES model_definitions (model_definition_id)
);
CREATE TABLE endpoint_tags (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	endpoint_id VARCHAR(36) NOT NULL, 
	CONSTRAINT endpoint_tag_pk PRIMARY KEY ("key", endpoint_id), 
	CONSTRAINT fk_endpoint_tags_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE
);
CREATE TABLE "endpoints" (
	endpoint_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255), 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	routing_strategy VARCHAR(64), 
	fallback_config_json TEXT, 
	experiment_id INTEGER, 
	usage_tracking BOOLEAN DEFAULT '0' NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT endpoints_pk PRIMARY KEY (endpoint_id), 
	CONSTRAINT fk_endpoints_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE SET NULL, 
	CONSTRAINT uq_endpoints_workspace_name UNIQUE (workspace, name)
);
CREATE TABLE entity_associations (
	association_id VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, 
	created_time BIGINT, 
	CONSTRAINT entity_associations_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
CREATE TABLE "evaluation_dataset_records" (
	dataset_record_id VARCHAR(36) NOT NULL, 
	dataset_id VARCHAR(36) NOT NULL, 
	inputs JSON NOT NULL, 
	expectations JSON, 
	tags JSON, 
	source JSON, 
	source_id VARCHAR(36), 
	source_type VARCHAR(255), 
	created_time BIGINT, 
	last_update_time BIGINT, 
	created_by VARCHAR(255), 
	last_updated_by VARCHAR(255), 
	input_hash VARCHAR(64) NOT NULL, outputs JSON, 
	CONSTRAINT evaluation_dataset_records_pk PRIMARY KEY (dataset_record_id), 
	CONSTRAINT fk_evaluation_dataset_records_dataset_id FOREIGN KEY(dataset_id) REFERENCES evaluation_datasets (dataset_id) ON DELETE CASCADE, 
	CONSTRAINT unique_dataset_input UNIQUE (dataset_id, input_hash)
);
CREATE TABLE evaluation_dataset_tags (
	dataset_id VARCHAR(36) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value VARCHAR(5000), 
	CONSTRAINT evaluation_dataset_tags_pk PRIMARY KEY (dataset_id, "key"), 
	CONSTRAINT fk_evaluation_dataset_tags_dataset_id FOREIGN KEY(dataset_id) REFERENCES evaluation_datasets (dataset_id) ON DELETE CASCADE
);
CREATE TABLE "evaluation_datasets" (
	dataset_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	schema TEXT, 
	profile TEXT, 
	digest VARCHAR(64), 
	created_time BIGINT, 
	last_update_time BIGINT, 
	created_by VARCHAR(255), 
	last_updated_by VARCHAR(255), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT evaluation_datasets_pk PRIMARY KEY (dataset_id)
);
CREATE TABLE "experiment_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value TEXT, 
	experiment_id INTEGER NOT NULL, 
	CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
INSERT INTO "experiment_tags" VALUES('mlflow.sharedViewState.nemo-trainings','{"searchFilter": "tags.stage = ''training''", "orderByKey": "metrics.`krr`", "orderByAsc": true, "selectedColumns": ["metrics.`accuracy`", "metrics.`validation_accuracy`", "metrics.`krr`", "metrics.`cohesion`", "metrics.`coupling`", "metrics.`flops`", "metrics.`parameters`", "params.`method`", "params.`backbone`", "params.`dataset`", "params.`lambda_coh`", "params.`lambda_coup`", "params.`alpha`", "params.`seed`"]}',1);
INSERT INTO "experiment_tags" VALUES('mlflow.sharedViewState.nemo-subtasks','{"searchFilter": "tags.stage = ''subtask''", "orderByKey": "metrics.`krr`", "orderByAsc": true, "selectedColumns": ["metrics.`krr`", "metrics.`accuracy`", "metrics.`accuracy_before_finetuning`", "metrics.`standard_accuracy`", "metrics.`flops`", "metrics.`flops_reduction`", "params.`method`", "params.`backbone`", "params.`dataset`", "params.`classes`", "params.`threshold`", "params.`seed`"]}',1);
CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO "experiments" VALUES(0,'Default','{STORAGE}/mlruns/0','active',1795960525981,1795960525981,'default');
INSERT INTO "experiments" VALUES(1,'before','file://{STORAGE}/mlartifacts','active',1795960526012,1795960526012,'default');
CREATE TABLE guardrail_configs (
	endpoint_id VARCHAR(36) NOT NULL, 
	guardrail_id VARCHAR(36) NOT NULL, 
	execution_order INTEGER, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT guardrail_configs_pk PRIMARY KEY (endpoint_id, guardrail_id), 
	CONSTRAINT fk_guardrail_configs_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE, 
	CONSTRAINT fk_guardrail_configs_guardrail_id FOREIGN KEY(guardrail_id) REFERENCES guardrails (guardrail_id) ON DELETE CASCADE
);
CREATE TABLE guardrails (
	guardrail_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	scorer_id VARCHAR(36) NOT NULL, 
	scorer_version INTEGER NOT NULL, 
	stage VARCHAR(32) NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	action_endpoint_id VARCHAR(36), 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT guardrails_pk PRIMARY KEY (guardrail_id), 
	CONSTRAINT fk_guardrails_scorer_version FOREIGN KEY(scorer_id, scorer_version) REFERENCES scorer_versions (scorer_id, scorer_version), 
	CONSTRAINT fk_guardrails_action_endpoint_id FOREIGN KEY(action_endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE SET NULL
);
CREATE TABLE input_tags (
	input_uuid VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	value VARCHAR(500) NOT NULL, 
	CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
INSERT INTO "input_tags" VALUES('c4c67bb5f356471590019cd7736cc721','mlflow.data.context','training');
INSERT INTO "input_tags" VALUES('f6be664f3d564a25b7552dd433a34b11','mlflow.data.context','training');
INSERT INTO "input_tags" VALUES('170af68844f94ecf9b92cbc8e426f8ca','mlflow.data.context','training');
INSERT INTO "input_tags" VALUES('5652494dfb394eadbe1ad278848bc9f8','mlflow.data.context','training');
INSERT INTO "input_tags" VALUES('a1bc104ba971403db5ba459cbc38b0ff','mlflow.data.context','training');
CREATE TABLE inputs (
	input_uuid VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
INSERT INTO "inputs" VALUES('c4c67bb5f356471590019cd7736cc721','DATASET','fa693a18db2c44cca5b558421c43be8f','RUN','b1ed981aaa4144649bae59881a6cfa19',0);
INSERT INTO "inputs" VALUES('f6be664f3d564a25b7552dd433a34b11','DATASET','fa693a18db2c44cca5b558421c43be8f','RUN','71520d45181a420c87f091646deb9bc0',0);
INSERT INTO "inputs" VALUES('170af68844f94ecf9b92cbc8e426f8ca','DATASET','fa693a18db2c44cca5b558421c43be8f','RUN','6ca6d3ccb3644eafaa104c2b4863ec13',0);
INSERT INTO "inputs" VALUES('5652494dfb394eadbe1ad278848bc9f8','DATASET','fa693a18db2c44cca5b558421c43be8f','RUN','9f66929452354b518480f1b2f9dea262',0);
INSERT INTO "inputs" VALUES('a1bc104ba971403db5ba459cbc38b0ff','DATASET','fa693a18db2c44cca5b558421c43be8f','RUN','1ce04d0bd61f4f03b4620d35d96f9ded',0);
CREATE TABLE issues (
	issue_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	description TEXT NOT NULL, 
	status VARCHAR(50) NOT NULL, 
	severity VARCHAR(50), 
	root_causes TEXT, 
	source_run_id VARCHAR(32), 
	categories TEXT, 
	created_timestamp BIGINT NOT NULL, 
	last_updated_timestamp BIGINT NOT NULL, 
	created_by VARCHAR(255), 
	CONSTRAINT issues_pk PRIMARY KEY (issue_id), 
	CONSTRAINT fk_issues_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE, 
	CONSTRAINT fk_issues_source_run_id FOREIGN KEY(source_run_id) REFERENCES runs (run_uuid) ON DELETE SET NULL
);
CREATE TABLE job_locks (
	lock_key VARCHAR(255) NOT NULL, 
	job_id VARCHAR(36) NOT NULL, 
	acquired_at BIGINT NOT NULL, 
	CONSTRAINT job_locks_pk PRIMARY KEY (lock_key), 
	CONSTRAINT fk_job_locks_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE "jobs" (
	id VARCHAR(36) NOT NULL, 
	creation_time BIGINT NOT NULL, 
	job_name VARCHAR(500) NOT NULL, 
	params TEXT NOT NULL, 
	timeout FLOAT, 
	status INTEGER NOT NULL, 
	result TEXT, 
	retry_count INTEGER NOT NULL, 
	last_update_time BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, status_details JSON, creator VARCHAR(255), executor_backend VARCHAR(255), lease_expires_at BIGINT, status_message TEXT, progress JSON, progress_updated_at BIGINT, token_hash VARCHAR(64), scoped_permissions JSON, next_attempt_at BIGINT, 
	CONSTRAINT jobs_pk PRIMARY KEY (id)
);
CREATE TABLE label_schemas (
	schema_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	instruction TEXT, 
	enable_comment BOOLEAN DEFAULT '0' NOT NULL, 
	input_type VARCHAR(32) NOT NULL, 
	input_config TEXT NOT NULL, 
	created_by VARCHAR(255), 
	created_time BIGINT NOT NULL, 
	last_update_time BIGINT NOT NULL, 
	is_default BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT label_schemas_pk PRIMARY KEY (schema_id), 
	CONSTRAINT fk_label_schemas_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE, 
	CONSTRAINT uq_label_schemas_exp_name UNIQUE (experiment_id, name)
);
CREATE TABLE "latest_metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT, 
	step BIGINT NOT NULL, 
	is_nan BOOLEAN NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "latest_metrics" VALUES('seconds',1.07960101099990879447e+00,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('lr',0.015,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('train/accuracy',0.1625,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('train/loss_ce',2.31507449150085431455e+00,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('train/cohesion',1.47038102149963378906e-02,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('train/coupling',9.78973984718322753906e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('train/loss',3.30140039920806849238e+00,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/accuracy',0.125,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/loss_ce',2.34275970458984383881e+00,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/loss',3.33615417480468767763e+00,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/cohesion',8.38983058929443359375e-03,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/coupling',9.89199542999267600329e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/sample_krr',7.66477272727272729291e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/sample_cohesion',9.39354537855524807099e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/sample_coupling',9.33130600274810095839e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation/dead_layers',0.0,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/accuracy',0.09,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/loss_ce',2.37846939086914055394e+00,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/loss',3.3720049285888671342e+00,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/cohesion',9.02038812637329101562e-03,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/coupling',9.89025268554687531086e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/sample_krr',7.72727272727272707086e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/sample_cohesion',9.38639333001491271701e-01,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/sample_coupling',0.931975712911342,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('test/dead_layers',0.0,1795960582608,1,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('accuracy',0.09,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('validation_accuracy',0.125,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('epochs',2.0,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('flops',505080.0,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('flops_train_mode',535320.0,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('standard_flops',474784.0,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('parameters',20018.0,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('sample_krr',7.72727272727272707086e-01,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('sample_cohesion',9.38639333001491271701e-01,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('sample_coupling',0.931975712911342,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('dead_layers',0.0,1795960583732,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('seconds',3.61779159999969124328e-01,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('lr',0.015,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('train/accuracy',0.1125,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('train/loss_ce',2.31840810775756844819e+00,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('train/loss',2.31840810775756844819e+00,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('validation/accuracy',0.1,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('validation/loss_ce',2.30598201751708975493e+00,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('validation/loss',2.30598201751708975493e+00,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('test/accuracy',0.09,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('test/loss_ce',2.33700119018554675065e+00,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('test/loss',2.33700119018554675065e+00,1795960585289,1,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('seconds',1.15761134499996387603e+00,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('lr',0.015,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('train/accuracy',0.1875,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('train/loss_ce',2.31246891021728506743e+00,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('train/cohesion',1.512805223464965855e-02,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('train/coupling',9.80608201026916481701e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('train/loss',4.28124933242797833798e+00,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/accuracy',0.1,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/loss_ce',2.24730529785156241118e+00,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/loss',4.23353881835937517763e+00,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/cohesion',5.5162906646728515625e-03,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/coupling',9.91737651824951216283e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/sample_krr',7.91619318181818076851e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/sample_cohesion',9.53903543000411135999e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/sample_coupling',9.43790378085998526991e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation/dead_layers',0.0,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/accuracy',0.1,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/loss_ce',2.31635467529296867894e+00,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/loss',4.302109375,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/cohesion',6.78932666778564453125e-03,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/coupling',9.91180038452148415295e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/sample_krr',8.01647727272727261826e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/sample_cohesion',9.48586350752086304716e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/sample_coupling',9.42727264923329921764e-01,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('test/dead_layers',0.0,1795960586647,1,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('accuracy',0.09,1795960585962,0,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('validation_accuracy',0.1,1795960585962,0,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('epochs',2.0,1795960585962,0,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('flops',474784.0,1795960585962,0,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('flops_train_mode',474784.0,1795960585962,0,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('standard_flops',474784.0,1795960585962,0,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('parameters',15982.0,1795960585962,0,0,'71520d45181a420c87f091646deb9bc0');
INSERT INTO "latest_metrics" VALUES('seconds',5.46640498999977353378e-01,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('lr',0.015,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('train/accuracy',0.15625,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('train/loss_ce',2.37534627914428719819e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('train/contrastive',2.06933012008667,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('train/loss',4.25655553340911829707e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/accuracy',0.125,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/loss_ce',2.29819316864013689638e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/loss',4.33129158020019566777e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/contrastive',2.236408233642578125e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/sample_krr',7.9090909090909089496e-01,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/sample_cohesion',9.41650468182774424974e-01,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/sample_coupling',9.30170742917929560533e-01,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation/dead_layers',0.0,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/accuracy',0.09,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/loss_ce',2.28059234619140616118e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/loss',4.28148193359374928945e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/contrastive',2.2009785461425779296e+00,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/sample_krr',7.97443181818181745512e-01,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/sample_cohesion',0.942536136433638,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/sample_coupling',9.28640380482906313552e-01,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('test/dead_layers',0.0,1795960587186,1,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('accuracy',0.1,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('validation_accuracy',0.1,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('epochs',2.0,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('flops',505080.0,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('flops_train_mode',535320.0,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('standard_flops',474784.0,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('parameters',20018.0,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('sample_krr',8.01647727272727261826e-01,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('sample_cohesion',9.48586350752086304716e-01,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('sample_coupling',9.42727264923329921764e-01,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('dead_layers',0.0,1795960588233,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('seconds',1.15441248599995560653e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('lr',0.015,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('train/accuracy',0.19375,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('train/loss_ce',2.3038482666015625e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('train/contrastive',1.61817128658294673293e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('train/loss',3.77491312026977521298e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/accuracy',0.075,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/loss_ce',2.37544231414794904111e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/loss',3.94017066955566397368e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/contrastive',1.72120113372802729934e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/sample_krr',0.788494318181818,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/sample_cohesion',9.49964153251919740661e-01,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/sample_coupling',9.40482121585501484872e-01,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation/dead_layers',0.0,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/accuracy',0.13,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/loss_ce',2.33776809692382814276e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/loss',3.87702163696289048289e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/contrastive',1.69317886352539059835e+00,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/sample_krr',7.97897727272727341762e-01,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/sample_cohesion',9.40852437491310200634e-01,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/sample_coupling',9.33128751327674699211e-01,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('test/dead_layers',0.0,1795960590962,1,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('accuracy',0.09,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('validation_accuracy',0.125,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('epochs',2.0,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('flops',505080.0,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('flops_train_mode',535320.0,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('standard_flops',474784.0,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('parameters',20018.0,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('sample_krr',7.97443181818181745512e-01,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('sample_cohesion',0.942536136433638,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('sample_coupling',9.28640380482906313552e-01,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('dead_layers',0.0,1795960588597,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('accuracy',0.13,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('validation_accuracy',0.075,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('epochs',2.0,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('flops',505080.0,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('flops_train_mode',535320.0,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('standard_flops',474784.0,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('parameters',20018.0,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('sample_krr',7.97897727272727341762e-01,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('sample_cohesion',9.40852437491310200634e-01,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('sample_coupling',9.33128751327674699211e-01,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('dead_layers',0.0,1795960592274,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('kernels',132.0,1795960619957,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('kernels',132.0,1795960589008,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('kernels',132.0,1795960592656,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('kernels',132.0,1795960623879,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('krr',7.39393939393939381155e-01,1795960591429,900,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('krr/0.50',7.91666666666666629659e-01,1795960628743,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('cohesion',9.97313198524854671589e-01,1795960591429,900,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('cohesion/0.50',9.71779715750282102604e-01,1795960628743,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('coupling',9.37076661017364642702e-01,1795960591429,900,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('coupling/0.50',9.63162058029668921577e-01,1795960628743,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('krr/0.90',7.39393939393939381155e-01,1795960591429,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('cohesion/0.90',9.97313198524854671589e-01,1795960591429,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('coupling/0.90',9.37076661017364642702e-01,1795960591429,0,0,'9f66929452354b518480f1b2f9dea262');
INSERT INTO "latest_metrics" VALUES('krr',7.0833333333333337034e-01,1795960634799,900,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('krr/0.50',7.56060606060606099632e-01,1795960634766,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('cohesion',9.97879349469600329669e-01,1795960634799,900,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('cohesion/0.50',9.71653670936218127884e-01,1795960634766,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('coupling',9.53285118041009460476e-01,1795960634799,900,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('coupling/0.50',9.64310894939435669925e-01,1795960634766,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('krr/0.90',7.0833333333333337034e-01,1795960634799,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('cohesion/0.90',9.97879349469600329669e-01,1795960634799,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('coupling/0.90',9.53285118041009460476e-01,1795960634799,0,0,'b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "latest_metrics" VALUES('krr',7.45454545454545480787e-01,1795960597682,900,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('krr/0.50',7.80303030303030276115e-01,1795960636476,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('cohesion',9.96651229491359869072e-01,1795960597682,900,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('cohesion/0.50',9.78715104021506299147e-01,1795960636476,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('coupling',9.56292964993114669169e-01,1795960597682,900,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('coupling/0.50',9.65083036238967517661e-01,1795960636476,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('krr/0.90',7.45454545454545480787e-01,1795960597682,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('cohesion/0.90',9.96651229491359869072e-01,1795960597682,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('coupling/0.90',9.56292964993114669169e-01,1795960597682,0,0,'1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "latest_metrics" VALUES('krr',7.50757575757575734698e-01,1795960645513,900,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('krr/0.50',7.89393939393939425563e-01,1795960645497,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('cohesion',9.98885779298667508818e-01,1795960645513,900,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('cohesion/0.50',9.79350628480180063206e-01,1795960645497,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('coupling',9.7504871783696966947e-01,1795960645513,900,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('coupling/0.50',9.6085396675120637866e-01,1795960645497,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('krr/0.90',7.50757575757575734698e-01,1795960645513,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('cohesion/0.90',9.98885779298667508818e-01,1795960645513,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('coupling/0.90',9.7504871783696966947e-01,1795960645513,0,0,'6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "latest_metrics" VALUES('class_count',2.0,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('seconds',3.33838671700004852027e+00,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('threshold',0.9,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('accuracy',5.29411764705882359471e-01,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('accuracy_before_finetuning',5.88235294117647078415e-01,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('krr',7.57575757575757569028e-01,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('krr_all',7.61194029850746245458e-01,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('flops',319826.0,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('parameters',9179.0,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('standard_accuracy',5.29411764705882359471e-01,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('modular_accuracy',5.29411764705882359471e-01,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('flops_reduction',3.26375783514187500777e-01,1795960648907,0,0,'432290bb5cc34380a4518ced089d913d');
INSERT INTO "latest_metrics" VALUES('class_count',2.0,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('seconds',1.21151211190000367427e+01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('threshold',0.9,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('accuracy',3.7037037037037034981e-01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('accuracy_before_finetuning',3.7037037037037034981e-01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('krr',8.10606060606060552231e-01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('krr_all',8.13432835820895538958e-01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('flops',324106.0,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('parameters',10658.0,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('standard_accuracy',3.7037037037037034981e-01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('modular_accuracy',4.07407407407407384791e-01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('flops_reduction',3.17361157916020708569e-01,1795960653330,0,0,'8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "latest_metrics" VALUES('class_count',2.0,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('seconds',8.94056681000051867158e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('threshold',0.9,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('accuracy',5.29411764705882359471e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('accuracy_before_finetuning',5.29411764705882359471e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('krr',7.04545454545454585826e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('krr_all',7.08955223880597062979e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('flops',311408.0,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('parameters',8194.0,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('standard_accuracy',5.29411764705882359471e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('modular_accuracy',5.29411764705882359471e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('flops_reduction',3.4410595133787158506e-01,1795960656768,0,0,'6409e09b58884050947606c71bd22eb3');
INSERT INTO "latest_metrics" VALUES('class_count',2.0,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('seconds',4.08739002800007256155e+00,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('threshold',0.9,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('accuracy',3.7037037037037034981e-01,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('accuracy_before_finetuning',7.03703703703703720151e-01,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('krr',7.65151515151515138057e-01,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('krr_all',7.68656716417910446104e-01,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('flops',323143.0,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('parameters',9380.0,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('standard_accuracy',3.7037037037037034981e-01,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('modular_accuracy',7.03703703703703720151e-01,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('flops_reduction',3.19389448675608256245e-01,1795960662816,0,0,'66be00399d62490680152a719c75f370');
INSERT INTO "latest_metrics" VALUES('accuracy',3.07692307692307709388e-01,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('accuracy_before_finetuning',3.46153846153846145305e-01,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('krr',0.75,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('krr_all',0.753731343283582,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('flops',319011.0,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('parameters',9059.0,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('standard_accuracy',3.46153846153846145305e-01,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('modular_accuracy',3.46153846153846145305e-01,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "latest_metrics" VALUES('flops_reduction',3.28092353575520689901e-01,1795960695958,0,0,'3e153ccfd6cb4189ae271c0f85b19709');
CREATE TABLE logged_model_metrics (
	model_id VARCHAR(36) NOT NULL, 
	metric_name VARCHAR(500) NOT NULL, 
	metric_timestamp_ms BIGINT NOT NULL, 
	metric_step BIGINT NOT NULL, 
	metric_value FLOAT, 
	experiment_id INTEGER NOT NULL, 
	run_id VARCHAR(32) NOT NULL, 
	dataset_uuid VARCHAR(36), 
	dataset_name VARCHAR(500), 
	dataset_digest VARCHAR(36), 
	CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id), 
	CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE, 
	CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (run_uuid) ON DELETE CASCADE
);
CREATE TABLE logged_model_params (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	param_key VARCHAR(255) NOT NULL, 
	param_value TEXT NOT NULL, 
	CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id, param_key), 
	CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
CREATE TABLE logged_model_tags (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	tag_key VARCHAR(255) NOT NULL, 
	tag_value TEXT NOT NULL, 
	CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key), 
	CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
CREATE TABLE logged_models (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	artifact_location VARCHAR(1000) NOT NULL, 
	creation_timestamp_ms BIGINT NOT NULL, 
	last_updated_timestamp_ms BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	lifecycle_stage VARCHAR(32), 
	model_type VARCHAR(500), 
	source_run_id VARCHAR(32), 
	status_message VARCHAR(1000), 
	CONSTRAINT logged_models_pk PRIMARY KEY (model_id), 
	CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
CREATE TABLE mcp_access_endpoints (
	id VARCHAR(36) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	server_name VARCHAR(256) NOT NULL, 
	server_version VARCHAR(128), 
	server_alias VARCHAR(256), 
	url VARCHAR(2048) NOT NULL, 
	transport_type VARCHAR(32) DEFAULT 'streamable-http' NOT NULL, 
	created_by VARCHAR(256), 
	last_updated_by VARCHAR(256), 
	created_at BIGINT NOT NULL, 
	last_updated_at BIGINT NOT NULL, 
	CONSTRAINT mcp_access_endpoints_pk PRIMARY KEY (id), 
	CONSTRAINT mcp_access_endpoints_server_fkey FOREIGN KEY(workspace, server_name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_aliases (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	alias VARCHAR(256) NOT NULL, 
	version VARCHAR(128) NOT NULL, 
	CONSTRAINT mcp_server_aliases_pk PRIMARY KEY (workspace, name, alias), 
	CONSTRAINT mcp_server_aliases_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_tags (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	CONSTRAINT mcp_server_tags_pk PRIMARY KEY (workspace, name, "key"), 
	CONSTRAINT mcp_server_tags_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_version_tags (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	version VARCHAR(128) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	CONSTRAINT mcp_server_version_tags_pk PRIMARY KEY (workspace, name, version, "key"), 
	CONSTRAINT mcp_server_version_tags_version_fkey FOREIGN KEY(workspace, name, version) REFERENCES mcp_server_versions (workspace, name, version) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_server_versions (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	version VARCHAR(128) NOT NULL, 
	version_major INTEGER NOT NULL, 
	version_minor INTEGER NOT NULL, 
	version_patch INTEGER NOT NULL, 
	version_prerelease_sort_key VARCHAR(512) NOT NULL, 
	server_json JSON NOT NULL, 
	status VARCHAR(20) DEFAULT 'draft' NOT NULL, 
	tools JSON, 
	source VARCHAR(512), 
	connect_options JSON, 
	created_by VARCHAR(256), 
	last_updated_by VARCHAR(256), 
	created_at BIGINT NOT NULL, 
	last_updated_at BIGINT NOT NULL, 
	CONSTRAINT mcp_server_versions_pk PRIMARY KEY (workspace, name, version), 
	CONSTRAINT mcp_server_versions_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE mcp_servers (
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	display_name VARCHAR(256), 
	description TEXT, 
	icons JSON, 
	created_by VARCHAR(256), 
	last_updated_by VARCHAR(256), 
	created_at BIGINT NOT NULL, 
	last_updated_at BIGINT NOT NULL, 
	CONSTRAINT mcp_servers_pk PRIMARY KEY (workspace, name)
);
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('seconds',7.03358905999948547105e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('lr',0.03,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.1125,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.62729320526123055756e+00,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('train/cohesion',1.51498198509216301654e-02,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('train/coupling',9.79944694042205854955e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('train/loss',3.61481280326843279482e+00,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.125,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.29318714141845703125e+00,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/loss',3.28751192092895516694e+00,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/cohesion',7.96657800674438476562e-03,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/coupling',9.90341567993164084704e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',7.93181818181818099056e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.47484143254011534907e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.39577606065082560071e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.18,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.32420120239257821381e+00,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/loss',3.3178121185302735796e+00,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/cohesion',9.7601413726806640625e-03,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/coupling',9.88730850219726509209e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/sample_krr',8.008522727272727737e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',9.33454411420527763176e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',9.26643041125168598348e-01,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960581342,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('seconds',1.07960101099990879447e+00,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('lr',0.015,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.1625,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.31507449150085431455e+00,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('train/cohesion',1.47038102149963378906e-02,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('train/coupling',9.78973984718322753906e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('train/loss',3.30140039920806849238e+00,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.125,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.34275970458984383881e+00,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/loss',3.33615417480468767763e+00,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/cohesion',8.38983058929443359375e-03,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/coupling',9.89199542999267600329e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',7.66477272727272729291e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.39354537855524807099e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.33130600274810095839e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.09,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.37846939086914055394e+00,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/loss',3.3720049285888671342e+00,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/cohesion',9.02038812637329101562e-03,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/coupling',9.89025268554687531086e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/sample_krr',7.72727272727272707086e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',9.38639333001491271701e-01,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',0.931975712911342,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960582608,'b1ed981aaa4144649bae59881a6cfa19',1,0);
INSERT INTO "metrics" VALUES('accuracy',0.09,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('validation_accuracy',0.125,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('epochs',2.0,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('flops',505080.0,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('flops_train_mode',535320.0,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('standard_flops',474784.0,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('parameters',20018.0,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('sample_krr',7.72727272727272707086e-01,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('sample_cohesion',9.38639333001491271701e-01,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('sample_coupling',0.931975712911342,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('dead_layers',0.0,1795960583732,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('seconds',5.41083415999992212164e-01,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('lr',0.03,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.125,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.32259473800659188569e+00,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('train/loss',2.32259473800659188569e+00,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.1,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.30833644866943377138e+00,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('validation/loss',2.30833644866943377138e+00,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.09,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.33771835327148425065e+00,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('test/loss',2.33771835327148425065e+00,1795960584888,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('seconds',3.61779159999969124328e-01,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('lr',0.015,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.1125,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.31840810775756844819e+00,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('train/loss',2.31840810775756844819e+00,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.1,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.30598201751708975493e+00,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('validation/loss',2.30598201751708975493e+00,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.09,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.33700119018554675065e+00,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('test/loss',2.33700119018554675065e+00,1795960585289,'71520d45181a420c87f091646deb9bc0',1,0);
INSERT INTO "metrics" VALUES('seconds',1.25841045900006065494e+00,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('lr',0.03,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.0875,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.67504658699035635649e+00,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('train/cohesion',1.49165987968444824218e-02,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('train/coupling',9.80163514614105224609e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('train/loss',4.64283189773559534785e+00,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.2,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.30762062072753915131e+00,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/loss',4.29721946716308611513e+00,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/cohesion',4.76181507110595703125e-03,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/coupling',9.93608951568603515625e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',7.9872159090909089496e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.52927371704284653652e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.41946993072851568307e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.17,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.32834564208984362565e+00,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/loss',4.31579650878906218025e+00,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/cohesion',5.59723377227783203125e-03,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/coupling',9.92326049804687526645e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/sample_krr',8.05624999999999924504e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',9.4660486990433556631e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',9.38713824393850204685e-01,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960585410,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('accuracy',0.09,1795960585962,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('validation_accuracy',0.1,1795960585962,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('epochs',2.0,1795960585962,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('flops',474784.0,1795960585962,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('flops_train_mode',474784.0,1795960585962,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('standard_flops',474784.0,1795960585962,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('parameters',15982.0,1795960585962,'71520d45181a420c87f091646deb9bc0',0,0);
INSERT INTO "metrics" VALUES('seconds',3.49117993999925602111e-01,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('lr',0.03,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.09375,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.65660867691040047944e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('train/contrastive',2.14542956352233904482e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('train/loss',4.60699925422668421504e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.15,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.25840320587158194243e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/loss',4.30681915283203053945e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/contrastive',2.25325756072998029111e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',8.26136363636363668661e-01,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.56814155722953252336e-01,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.47925535361194171457e-01,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.15,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.2730638122558595171e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/loss',4.28396148681640642763e+00,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/contrastive',2.2119873046875,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/sample_krr',0.831590909090909,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',9.52442813762981232983e-01,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',0.944492077654672,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960586588,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('seconds',1.15761134499996387603e+00,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('lr',0.015,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.1875,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.31246891021728506743e+00,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('train/cohesion',1.512805223464965855e-02,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('train/coupling',9.80608201026916481701e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('train/loss',4.28124933242797833798e+00,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.1,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.24730529785156241118e+00,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/loss',4.23353881835937517763e+00,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/cohesion',5.5162906646728515625e-03,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/coupling',9.91737651824951216283e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',7.91619318181818076851e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.53903543000411135999e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.43790378085998526991e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.1,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.31635467529296867894e+00,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/loss',4.302109375,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/cohesion',6.78932666778564453125e-03,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/coupling',9.91180038452148415295e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/sample_krr',8.01647727272727261826e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',9.48586350752086304716e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',9.42727264923329921764e-01,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960586647,'6ca6d3ccb3644eafaa104c2b4863ec13',1,0);
INSERT INTO "metrics" VALUES('seconds',5.46640498999977353378e-01,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('lr',0.015,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.15625,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.37534627914428719819e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('train/contrastive',2.06933012008667,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('train/loss',4.25655553340911829707e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.125,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.29819316864013689638e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/loss',4.33129158020019566777e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/contrastive',2.236408233642578125e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',7.9090909090909089496e-01,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.41650468182774424974e-01,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.30170742917929560533e-01,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.09,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.28059234619140616118e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/loss',4.28148193359374928945e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/contrastive',2.2009785461425779296e+00,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/sample_krr',7.97443181818181745512e-01,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',0.942536136433638,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',9.28640380482906313552e-01,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960587186,'9f66929452354b518480f1b2f9dea262',1,0);
INSERT INTO "metrics" VALUES('accuracy',0.1,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('validation_accuracy',0.1,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('epochs',2.0,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('flops',505080.0,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('flops_train_mode',535320.0,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('standard_flops',474784.0,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('parameters',20018.0,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('sample_krr',8.01647727272727261826e-01,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('sample_cohesion',9.48586350752086304716e-01,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('sample_coupling',9.42727264923329921764e-01,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('dead_layers',0.0,1795960588233,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('seconds',1.11971076500003619003e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('lr',0.03,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.0875,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.67151827812194841982e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('train/contrastive',1.66012513637542724609e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('train/loss',4.18072297573089635136e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.1,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.3773479461669921875e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/loss',3.94594612121582022368e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/contrastive',1.72545795440673832565e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',7.78693181818181923148e-01,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.43735135184508688865e-01,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.3629267971749186028e-01,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.11,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.32971450805664082039e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/loss',3.87016616821289094474e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/contrastive',1.6944967651367186523e+00,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/sample_krr',7.83977272727272689323e-01,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',9.41787940760086761393e-01,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',9.35261759247748236667e-01,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960589742,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('seconds',1.15441248599995560653e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('lr',0.015,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('train/accuracy',0.19375,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('train/loss_ce',2.3038482666015625e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('train/contrastive',1.61817128658294673293e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('train/loss',3.77491312026977521298e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/accuracy',0.075,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/loss_ce',2.37544231414794904111e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/loss',3.94017066955566397368e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/contrastive',1.72120113372802729934e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/sample_krr',0.788494318181818,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/sample_cohesion',9.49964153251919740661e-01,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/sample_coupling',9.40482121585501484872e-01,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('validation/dead_layers',0.0,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/accuracy',0.13,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/loss_ce',2.33776809692382814276e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/loss',3.87702163696289048289e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/contrastive',1.69317886352539059835e+00,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/sample_krr',7.97897727272727341762e-01,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/sample_cohesion',9.40852437491310200634e-01,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/sample_coupling',9.33128751327674699211e-01,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('test/dead_layers',0.0,1795960590962,'1ce04d0bd61f4f03b4620d35d96f9ded',1,0);
INSERT INTO "metrics" VALUES('accuracy',0.09,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('validation_accuracy',0.125,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('epochs',2.0,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('flops',505080.0,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('flops_train_mode',535320.0,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('standard_flops',474784.0,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('parameters',20018.0,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('sample_krr',7.97443181818181745512e-01,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('sample_cohesion',0.942536136433638,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('sample_coupling',9.28640380482906313552e-01,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('dead_layers',0.0,1795960588597,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('accuracy',0.13,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('validation_accuracy',0.075,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('epochs',2.0,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('flops',505080.0,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('flops_train_mode',535320.0,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('standard_flops',474784.0,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('parameters',20018.0,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('sample_krr',7.97897727272727341762e-01,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('sample_cohesion',9.40852437491310200634e-01,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('sample_coupling',9.33128751327674699211e-01,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('dead_layers',0.0,1795960592274,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('kernels',132.0,1795960619957,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('kernels',132.0,1795960589008,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('kernels',132.0,1795960592656,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('kernels',132.0,1795960623879,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('krr',7.91666666666666629659e-01,1795960628743,'9f66929452354b518480f1b2f9dea262',500,0);
INSERT INTO "metrics" VALUES('krr/0.50',7.91666666666666629659e-01,1795960628743,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.71779715750282102604e-01,1795960628743,'9f66929452354b518480f1b2f9dea262',500,0);
INSERT INTO "metrics" VALUES('cohesion/0.50',9.71779715750282102604e-01,1795960628743,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('coupling',9.63162058029668921577e-01,1795960628743,'9f66929452354b518480f1b2f9dea262',500,0);
INSERT INTO "metrics" VALUES('coupling/0.50',9.63162058029668921577e-01,1795960628743,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('krr',7.39393939393939381155e-01,1795960591429,'9f66929452354b518480f1b2f9dea262',900,0);
INSERT INTO "metrics" VALUES('krr/0.90',7.39393939393939381155e-01,1795960591429,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.97313198524854671589e-01,1795960591429,'9f66929452354b518480f1b2f9dea262',900,0);
INSERT INTO "metrics" VALUES('cohesion/0.90',9.97313198524854671589e-01,1795960591429,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('coupling',9.37076661017364642702e-01,1795960591429,'9f66929452354b518480f1b2f9dea262',900,0);
INSERT INTO "metrics" VALUES('coupling/0.90',9.37076661017364642702e-01,1795960591429,'9f66929452354b518480f1b2f9dea262',0,0);
INSERT INTO "metrics" VALUES('krr',7.56060606060606099632e-01,1795960634766,'b1ed981aaa4144649bae59881a6cfa19',500,0);
INSERT INTO "metrics" VALUES('krr/0.50',7.56060606060606099632e-01,1795960634766,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.71653670936218127884e-01,1795960634766,'b1ed981aaa4144649bae59881a6cfa19',500,0);
INSERT INTO "metrics" VALUES('cohesion/0.50',9.71653670936218127884e-01,1795960634766,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('coupling',9.64310894939435669925e-01,1795960634766,'b1ed981aaa4144649bae59881a6cfa19',500,0);
INSERT INTO "metrics" VALUES('coupling/0.50',9.64310894939435669925e-01,1795960634766,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('krr',7.0833333333333337034e-01,1795960634799,'b1ed981aaa4144649bae59881a6cfa19',900,0);
INSERT INTO "metrics" VALUES('krr/0.90',7.0833333333333337034e-01,1795960634799,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.97879349469600329669e-01,1795960634799,'b1ed981aaa4144649bae59881a6cfa19',900,0);
INSERT INTO "metrics" VALUES('cohesion/0.90',9.97879349469600329669e-01,1795960634799,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('coupling',9.53285118041009460476e-01,1795960634799,'b1ed981aaa4144649bae59881a6cfa19',900,0);
INSERT INTO "metrics" VALUES('coupling/0.90',9.53285118041009460476e-01,1795960634799,'b1ed981aaa4144649bae59881a6cfa19',0,0);
INSERT INTO "metrics" VALUES('krr',7.80303030303030276115e-01,1795960636476,'1ce04d0bd61f4f03b4620d35d96f9ded',500,0);
INSERT INTO "metrics" VALUES('krr/0.50',7.80303030303030276115e-01,1795960636476,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.78715104021506299147e-01,1795960636476,'1ce04d0bd61f4f03b4620d35d96f9ded',500,0);
INSERT INTO "metrics" VALUES('cohesion/0.50',9.78715104021506299147e-01,1795960636476,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('coupling',9.65083036238967517661e-01,1795960636476,'1ce04d0bd61f4f03b4620d35d96f9ded',500,0);
INSERT INTO "metrics" VALUES('coupling/0.50',9.65083036238967517661e-01,1795960636476,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('krr',7.45454545454545480787e-01,1795960597682,'1ce04d0bd61f4f03b4620d35d96f9ded',900,0);
INSERT INTO "metrics" VALUES('krr/0.90',7.45454545454545480787e-01,1795960597682,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.96651229491359869072e-01,1795960597682,'1ce04d0bd61f4f03b4620d35d96f9ded',900,0);
INSERT INTO "metrics" VALUES('cohesion/0.90',9.96651229491359869072e-01,1795960597682,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('coupling',9.56292964993114669169e-01,1795960597682,'1ce04d0bd61f4f03b4620d35d96f9ded',900,0);
INSERT INTO "metrics" VALUES('coupling/0.90',9.56292964993114669169e-01,1795960597682,'1ce04d0bd61f4f03b4620d35d96f9ded',0,0);
INSERT INTO "metrics" VALUES('krr',7.89393939393939425563e-01,1795960645497,'6ca6d3ccb3644eafaa104c2b4863ec13',500,0);
INSERT INTO "metrics" VALUES('krr/0.50',7.89393939393939425563e-01,1795960645497,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.79350628480180063206e-01,1795960645497,'6ca6d3ccb3644eafaa104c2b4863ec13',500,0);
INSERT INTO "metrics" VALUES('cohesion/0.50',9.79350628480180063206e-01,1795960645497,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('coupling',9.6085396675120637866e-01,1795960645497,'6ca6d3ccb3644eafaa104c2b4863ec13',500,0);
INSERT INTO "metrics" VALUES('coupling/0.50',9.6085396675120637866e-01,1795960645497,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('krr',7.50757575757575734698e-01,1795960645513,'6ca6d3ccb3644eafaa104c2b4863ec13',900,0);
INSERT INTO "metrics" VALUES('krr/0.90',7.50757575757575734698e-01,1795960645513,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('cohesion',9.98885779298667508818e-01,1795960645513,'6ca6d3ccb3644eafaa104c2b4863ec13',900,0);
INSERT INTO "metrics" VALUES('cohesion/0.90',9.98885779298667508818e-01,1795960645513,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('coupling',9.7504871783696966947e-01,1795960645513,'6ca6d3ccb3644eafaa104c2b4863ec13',900,0);
INSERT INTO "metrics" VALUES('coupling/0.90',9.7504871783696966947e-01,1795960645513,'6ca6d3ccb3644eafaa104c2b4863ec13',0,0);
INSERT INTO "metrics" VALUES('class_count',2.0,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('seconds',3.33838671700004852027e+00,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('threshold',0.9,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('accuracy',5.29411764705882359471e-01,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('accuracy_before_finetuning',5.88235294117647078415e-01,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('krr',7.57575757575757569028e-01,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('krr_all',7.61194029850746245458e-01,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('flops',319826.0,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('parameters',9179.0,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('standard_accuracy',5.29411764705882359471e-01,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('modular_accuracy',5.29411764705882359471e-01,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('flops_reduction',3.26375783514187500777e-01,1795960648907,'432290bb5cc34380a4518ced089d913d',0,0);
INSERT INTO "metrics" VALUES('class_count',2.0,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('seconds',1.21151211190000367427e+01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('threshold',0.9,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('accuracy',3.7037037037037034981e-01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('accuracy_before_finetuning',3.7037037037037034981e-01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('krr',8.10606060606060552231e-01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('krr_all',8.13432835820895538958e-01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('flops',324106.0,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('parameters',10658.0,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('standard_accuracy',3.7037037037037034981e-01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('modular_accuracy',4.07407407407407384791e-01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('flops_reduction',3.17361157916020708569e-01,1795960653330,'8934ce03fb5742c1bcb41addcec9e075',0,0);
INSERT INTO "metrics" VALUES('class_count',2.0,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('seconds',8.94056681000051867158e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('threshold',0.9,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('accuracy',5.29411764705882359471e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('accuracy_before_finetuning',5.29411764705882359471e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('krr',7.04545454545454585826e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('krr_all',7.08955223880597062979e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('flops',311408.0,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('parameters',8194.0,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('standard_accuracy',5.29411764705882359471e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('modular_accuracy',5.29411764705882359471e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('flops_reduction',3.4410595133787158506e-01,1795960656768,'6409e09b58884050947606c71bd22eb3',0,0);
INSERT INTO "metrics" VALUES('class_count',2.0,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('seconds',4.08739002800007256155e+00,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('threshold',0.9,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('accuracy',3.7037037037037034981e-01,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('accuracy_before_finetuning',7.03703703703703720151e-01,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('krr',7.65151515151515138057e-01,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('krr_all',7.68656716417910446104e-01,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('flops',323143.0,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('parameters',9380.0,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('standard_accuracy',3.7037037037037034981e-01,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('modular_accuracy',7.03703703703703720151e-01,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('flops_reduction',3.19389448675608256245e-01,1795960662816,'66be00399d62490680152a719c75f370',0,0);
INSERT INTO "metrics" VALUES('accuracy',3.07692307692307709388e-01,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('accuracy_before_finetuning',3.46153846153846145305e-01,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('krr',0.75,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('krr_all',0.753731343283582,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('flops',319011.0,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('parameters',9059.0,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('standard_accuracy',3.46153846153846145305e-01,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('modular_accuracy',3.46153846153846145305e-01,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
INSERT INTO "metrics" VALUES('flops_reduction',3.28092353575520689901e-01,1795960695958,'3e153ccfd6cb4189ae271c0f85b19709',0,0);
CREATE TABLE "model_definitions" (
	model_definition_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	secret_id VARCHAR(36), 
	provider VARCHAR(64) NOT NULL, 
	model_name VARCHAR(256) NOT NULL, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_definitions_pk PRIMARY KEY (model_definition_id), 
	CONSTRAINT fk_model_definitions_secret_id FOREIGN KEY(secret_id) REFERENCES secrets (secret_id) ON DELETE SET NULL, 
	CONSTRAINT uq_model_definitions_workspace_name UNIQUE (workspace, name)
);
CREATE TABLE "model_version_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value TEXT, 
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_version_tag_pk PRIMARY KEY (workspace, "key", name, version), 
	CONSTRAINT fk_model_version_tags_model_versions FOREIGN KEY(workspace, name, version) REFERENCES model_versions (workspace, name, version) ON UPDATE CASCADE
);
INSERT INTO "model_version_tags" VALUES('parent','30468faef30a51ed5030','nemo-before-3-5',1,'default');
INSERT INTO "model_version_tags" VALUES('step','663ce62039c427489ff4','nemo-before-3-5',1,'default');
INSERT INTO "model_version_tags" VALUES('classes','3, 5','nemo-before-3-5',1,'default');
INSERT INTO "model_version_tags" VALUES('threshold','0.90','nemo-before-3-5',1,'default');
INSERT INTO "model_version_tags" VALUES('krr','0.7500','nemo-before-3-5',1,'default');
INSERT INTO "model_version_tags" VALUES('sha256','1c64e39bf7dca21c98dd3c8a7ec5031ab4e6b3ff60e1f09be098fa86afbfddd9','nemo-before-3-5',1,'default');
CREATE TABLE "model_versions" (
	name VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	user_id VARCHAR(256), 
	current_stage VARCHAR(20), 
	source VARCHAR(500), 
	run_id VARCHAR(32), 
	status VARCHAR(20), 
	status_message VARCHAR(500), 
	run_link VARCHAR(500), 
	storage_location VARCHAR(500), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT model_version_pk PRIMARY KEY (workspace, name, version), 
	CONSTRAINT fk_model_versions_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
);
INSERT INTO "model_versions" VALUES('nemo-before-3-5',1,1795960697447,1795960697447,'The module of 3, 5 cut out of mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0, study before.',NULL,'None','file://{STORAGE}/mlartifacts/3e153ccfd6cb4189ae271c0f85b19709/artifacts/model-1c64e39bf7dc','3e153ccfd6cb4189ae271c0f85b19709','READY',NULL,NULL,'file://{STORAGE}/mlartifacts/3e153ccfd6cb4189ae271c0f85b19709/artifacts/model-1c64e39bf7dc','default');
CREATE TABLE online_scoring_configs (
	online_scoring_config_id VARCHAR(36) NOT NULL, 
	scorer_id VARCHAR(36) NOT NULL, 
	sample_rate FLOAT NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	filter_string TEXT, 
	CONSTRAINT online_scoring_config_pk PRIMARY KEY (online_scoring_config_id), 
	CONSTRAINT fk_online_scoring_configs_scorer_id FOREIGN KEY(scorer_id) REFERENCES scorers (scorer_id) ON DELETE CASCADE, 
	CONSTRAINT fk_online_scoring_configs_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "params" VALUES('backbone','rescnn','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('width','0.03125','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('image_size','32','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('num_classes','10','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('dataset','digits','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('dataset.options.train_images','200','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('dataset.options.test_images','100','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('fingerprint','bd7f75c4654451d4f5be2fbf3cfd7ea77910ff7060d061461f5337530c700adb','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('method','mwt','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('version','1','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('lambda_coh','0.5','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('lambda_coup','1.0','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.epochs','2','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.batch_size','32','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.lr','0.03','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.lr_mask','0.03','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.optimizer','sgd','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.momentum','0.9','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.nesterov','true','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.weight_decay','0.0','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.anneal','1.0','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.warmup','0','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.precision','float32','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.channels_last','false','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.augment','true','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.validation','0.2','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.exclude_first_masked_layer','false','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('recipe.variant','reference','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('images_per_batchnorm','32','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('seed','0','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "params" VALUES('backbone','rescnn','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('width','0.03125','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('image_size','32','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('num_classes','10','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('dataset','digits','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('dataset.options.train_images','200','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('dataset.options.test_images','100','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('fingerprint','bd7f75c4654451d4f5be2fbf3cfd7ea77910ff7060d061461f5337530c700adb','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('method','standard','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('version','1','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.epochs','2','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.batch_size','32','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.lr','0.03','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.lr_mask','null','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.optimizer','sgd','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.momentum','0.9','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.nesterov','true','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.weight_decay','0.0','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.anneal','1.0','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.warmup','0','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.precision','float32','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.channels_last','false','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.augment','true','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.validation','0.2','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.exclude_first_masked_layer','null','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('recipe.variant','reference','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('images_per_batchnorm','32','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('seed','0','71520d45181a420c87f091646deb9bc0');
INSERT INTO "params" VALUES('backbone','rescnn','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('width','0.03125','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('image_size','32','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('num_classes','10','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('dataset','digits','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('dataset.options.train_images','200','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('dataset.options.test_images','100','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('fingerprint','bd7f75c4654451d4f5be2fbf3cfd7ea77910ff7060d061461f5337530c700adb','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('method','mwt','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('version','1','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('lambda_coh','0.5','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('lambda_coup','2.0','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.epochs','2','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.batch_size','32','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.lr','0.03','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.lr_mask','0.03','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.optimizer','sgd','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.momentum','0.9','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.nesterov','true','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.weight_decay','0.0','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.anneal','1.0','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.warmup','0','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.precision','float32','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.channels_last','false','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.augment','true','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.validation','0.2','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.exclude_first_masked_layer','false','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('recipe.variant','reference','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('images_per_batchnorm','32','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('seed','0','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "params" VALUES('backbone','rescnn','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('width','0.03125','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('image_size','32','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('num_classes','10','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('dataset','digits','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('dataset.options.train_images','200','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('dataset.options.test_images','100','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('fingerprint','bd7f75c4654451d4f5be2fbf3cfd7ea77910ff7060d061461f5337530c700adb','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('method','nemo','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('version','1','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('alpha','1.0','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('temperature','0.16438823816560622','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.epochs','2','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.batch_size','32','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.lr','0.03','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.lr_mask','0.03','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.optimizer','sgd','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.momentum','0.9','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.nesterov','true','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.weight_decay','0.0','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.anneal','1.0','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.warmup','0','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.precision','float32','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.channels_last','false','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.augment','true','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.validation','0.2','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.exclude_first_masked_layer','true','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('recipe.variant','reference','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('images_per_batchnorm','32','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('seed','0','9f66929452354b518480f1b2f9dea262');
INSERT INTO "params" VALUES('backbone','rescnn','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('width','0.03125','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('image_size','32','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('num_classes','10','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('dataset','digits','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('dataset.options.train_images','200','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('dataset.options.test_images','100','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('fingerprint','bd7f75c4654451d4f5be2fbf3cfd7ea77910ff7060d061461f5337530c700adb','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('method','nemo','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('version','1','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('alpha','1.0','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('temperature','0.44075797306428743','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.epochs','2','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.batch_size','32','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.lr','0.03','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.lr_mask','0.03','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.optimizer','sgd','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.momentum','0.9','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.nesterov','true','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.weight_decay','0.0','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.anneal','1.0','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.warmup','0','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.precision','float32','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.channels_last','false','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.augment','true','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.validation','0.2','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.exclude_first_masked_layer','true','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('recipe.variant','reference','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('images_per_batchnorm','32','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('seed','0','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "params" VALUES('backbone','rescnn','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('dataset','digits','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('method','nemo','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('seed','0','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('version','1','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('mask_values','drop','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('head','paper','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.epochs','1','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.batch_size','32','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.lr','0.05','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.optimizer','sgd','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.momentum','0.9','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.nesterov','true','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.weight_decay','0.0','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.anneal','2.0','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.augment','true','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.precision','float32','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('finetune.channels_last','false','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('threshold','0.9','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('classes','[5, 9]','432290bb5cc34380a4518ced089d913d');
INSERT INTO "params" VALUES('backbone','rescnn','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('dataset','digits','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('method','nemo','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('seed','0','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('version','1','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('mask_values','drop','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('head','paper','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.epochs','1','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.batch_size','32','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.lr','0.05','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.optimizer','sgd','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.momentum','0.9','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.nesterov','true','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.weight_decay','0.0','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.anneal','2.0','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.augment','true','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.precision','float32','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('finetune.channels_last','false','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('threshold','0.9','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('classes','[0, 3]','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "params" VALUES('backbone','rescnn','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('dataset','digits','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('method','mwt','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('seed','0','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('version','1','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('mask_values','drop','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('head','paper','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.epochs','1','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.batch_size','32','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.lr','0.05','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.optimizer','sgd','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.momentum','0.9','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.nesterov','true','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.weight_decay','0.0','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.anneal','2.0','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.augment','true','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.precision','float32','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('finetune.channels_last','false','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('threshold','0.9','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('classes','[5, 9]','6409e09b58884050947606c71bd22eb3');
INSERT INTO "params" VALUES('backbone','rescnn','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('dataset','digits','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('method','mwt','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('seed','0','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('version','1','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('mask_values','drop','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('head','paper','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.epochs','1','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.batch_size','32','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.lr','0.05','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.optimizer','sgd','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.momentum','0.9','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.nesterov','true','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.weight_decay','0.0','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.anneal','2.0','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.augment','true','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.precision','float32','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('finetune.channels_last','false','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('threshold','0.9','66be00399d62490680152a719c75f370');
INSERT INTO "params" VALUES('classes','[0, 3]','66be00399d62490680152a719c75f370');
CREATE TABLE "registered_model_aliases" (
	alias VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_alias_pk PRIMARY KEY (workspace, name, alias), 
	CONSTRAINT fk_registered_model_aliases_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE "registered_model_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(5000), 
	name VARCHAR(256) NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_tag_pk PRIMARY KEY (workspace, "key", name), 
	CONSTRAINT fk_registered_model_tags_registered_models FOREIGN KEY(workspace, name) REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
);
INSERT INTO "registered_model_tags" VALUES('study','before','nemo-before-3-5','default');
INSERT INTO "registered_model_tags" VALUES('classes','3, 5','nemo-before-3-5','default');
CREATE TABLE "registered_models" (
	name VARCHAR(256) NOT NULL, 
	creation_time BIGINT, 
	last_updated_time BIGINT, 
	description VARCHAR(5000), 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT registered_model_pk PRIMARY KEY (workspace, name)
);
INSERT INTO "registered_models" VALUES('nemo-before-3-5',1795960697418,1795960697447,NULL,'default');
CREATE TABLE review_queue_items (
	queue_id VARCHAR(36) NOT NULL, 
	item_type VARCHAR(16) NOT NULL, 
	item_id VARCHAR(50) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	completed_by VARCHAR(250), 
	completed_time_ms BIGINT, 
	creation_time_ms BIGINT NOT NULL, 
	last_update_time_ms BIGINT NOT NULL, 
	CONSTRAINT review_queue_items_pk PRIMARY KEY (queue_id, item_id), 
	CONSTRAINT fk_review_queue_items_queue_id FOREIGN KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE CASCADE
);
CREATE TABLE review_queue_label_schemas (
	queue_id VARCHAR(36) NOT NULL, 
	schema_id VARCHAR(36) NOT NULL, 
	CONSTRAINT review_queue_label_schemas_pk PRIMARY KEY (queue_id, schema_id), 
	CONSTRAINT fk_review_queue_label_schemas_queue_id FOREIGN KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE CASCADE
);
CREATE TABLE review_queue_users (
	queue_id VARCHAR(36) NOT NULL, 
	user_id VARCHAR(250) NOT NULL, 
	CONSTRAINT review_queue_users_pk PRIMARY KEY (queue_id, user_id), 
	CONSTRAINT fk_review_queue_users_queue_id FOREIGN KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE CASCADE
);
CREATE TABLE review_queues (
	queue_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	queue_type VARCHAR(16) NOT NULL, 
	created_by VARCHAR(255), 
	creation_time_ms BIGINT NOT NULL, 
	last_update_time_ms BIGINT NOT NULL, 
	name_key VARCHAR(250) NOT NULL, 
	CONSTRAINT review_queues_pk PRIMARY KEY (queue_id), 
	CONSTRAINT fk_review_queues_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE, 
	CONSTRAINT uq_review_queues_experiment_name_key UNIQUE (experiment_id, name_key)
);
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO "runs" VALUES('8b77c164e7114e45a623ebaf8dc75157','before','UNKNOWN','','','unknown','FINISHED',1795960526201,1795960670459,'','active','file://{STORAGE}/mlartifacts/8b77c164e7114e45a623ebaf8dc75157/artifacts',1,NULL);
INSERT INTO "runs" VALUES('b1ed981aaa4144649bae59881a6cfa19','mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0','UNKNOWN','','','unknown','FINISHED',1795960581605,1795960583732,'','active','file://{STORAGE}/mlartifacts/b1ed981aaa4144649bae59881a6cfa19/artifacts',1,NULL);
INSERT INTO "runs" VALUES('71520d45181a420c87f091646deb9bc0','standard rescnn/digits seed 0','UNKNOWN','','','unknown','FINISHED',1795960584917,1795960585962,'','active','file://{STORAGE}/mlartifacts/71520d45181a420c87f091646deb9bc0/artifacts',1,NULL);
INSERT INTO "runs" VALUES('6ca6d3ccb3644eafaa104c2b4863ec13','mwt rescnn/digits lambda_coh=0.5 lambda_coup=2 seed 0','UNKNOWN','','','unknown','FINISHED',1795960585488,1795960588233,'','active','file://{STORAGE}/mlartifacts/6ca6d3ccb3644eafaa104c2b4863ec13/artifacts',1,NULL);
INSERT INTO "runs" VALUES('9f66929452354b518480f1b2f9dea262','nemo rescnn/digits alpha=1 temperature=0.164388 seed 0','UNKNOWN','','','unknown','FINISHED',1795960586624,1795960588597,'','active','file://{STORAGE}/mlartifacts/9f66929452354b518480f1b2f9dea262/artifacts',1,NULL);
INSERT INTO "runs" VALUES('1ce04d0bd61f4f03b4620d35d96f9ded','nemo rescnn/digits alpha=1 temperature=0.440758 seed 0','UNKNOWN','','','unknown','FINISHED',1795960589802,1795960592274,'','active','file://{STORAGE}/mlartifacts/1ce04d0bd61f4f03b4620d35d96f9ded/artifacts',1,NULL);
INSERT INTO "runs" VALUES('432290bb5cc34380a4518ced089d913d','reuse 5,9 of nemo rescnn/digits alpha=1 temperature=0.164388 seed 0 threshold 0.9','UNKNOWN','','','unknown','FINISHED',1795960645569,1795960648907,'','active','file://{STORAGE}/mlartifacts/432290bb5cc34380a4518ced089d913d/artifacts',1,NULL);
INSERT INTO "runs" VALUES('8934ce03fb5742c1bcb41addcec9e075','reuse 0,3 of nemo rescnn/digits alpha=1 temperature=0.164388 seed 0 threshold 0.9','UNKNOWN','','','unknown','FINISHED',1795960641215,1795960653330,'','active','file://{STORAGE}/mlartifacts/8934ce03fb5742c1bcb41addcec9e075/artifacts',1,NULL);
INSERT INTO "runs" VALUES('6409e09b58884050947606c71bd22eb3','reuse 5,9 of mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0 threshold 0.9','UNKNOWN','','','unknown','FINISHED',1795960655874,1795960656768,'','active','file://{STORAGE}/mlartifacts/6409e09b58884050947606c71bd22eb3/artifacts',1,NULL);
INSERT INTO "runs" VALUES('66be00399d62490680152a719c75f370','reuse 0,3 of mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0 threshold 0.9','UNKNOWN','','','unknown','FINISHED',1795960658729,1795960662816,'','active','file://{STORAGE}/mlartifacts/66be00399d62490680152a719c75f370/artifacts',1,NULL);
INSERT INTO "runs" VALUES('3e153ccfd6cb4189ae271c0f85b19709','module 3, 5 of mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0','UNKNOWN','','','unknown','FINISHED',1795960695921,1795960696129,'','active','file://{STORAGE}/mlartifacts/3e153ccfd6cb4189ae271c0f85b19709/artifacts',1,NULL);
CREATE TABLE scheduler_leases (
	lease_key VARCHAR(255) NOT NULL, 
	acquired_at BIGINT NOT NULL, 
	ttl_seconds INTEGER NOT NULL, 
	CONSTRAINT scheduler_leases_pk PRIMARY KEY (lease_key)
);
CREATE TABLE scorer_versions (
	scorer_id VARCHAR(36) NOT NULL, 
	scorer_version INTEGER NOT NULL, 
	serialized_scorer TEXT NOT NULL, 
	creation_time BIGINT, 
	CONSTRAINT scorer_version_pk PRIMARY KEY (scorer_id, scorer_version), 
	CONSTRAINT fk_scorer_versions_scorer_id FOREIGN KEY(scorer_id) REFERENCES scorers (scorer_id) ON DELETE CASCADE
);
CREATE TABLE scorers (
	experiment_id INTEGER NOT NULL, 
	scorer_name VARCHAR(256) NOT NULL, 
	scorer_id VARCHAR(36) NOT NULL, 
	CONSTRAINT scorer_pk PRIMARY KEY (scorer_id), 
	CONSTRAINT fk_scorers_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
CREATE TABLE "secrets" (
	secret_id VARCHAR(36) NOT NULL, 
	secret_name VARCHAR(255) NOT NULL, 
	encrypted_value BLOB NOT NULL, 
	wrapped_dek BLOB NOT NULL, 
	kek_version INTEGER NOT NULL, 
	masked_value VARCHAR(500) NOT NULL, 
	provider VARCHAR(64), 
	auth_config TEXT, 
	description TEXT, 
	created_by VARCHAR(255), 
	created_at BIGINT NOT NULL, 
	last_updated_by VARCHAR(255), 
	last_updated_at BIGINT NOT NULL, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT secrets_pk PRIMARY KEY (secret_id), 
	CONSTRAINT uq_secrets_workspace_secret_name UNIQUE (workspace, secret_name)
);
CREATE TABLE span_metrics (
	trace_id VARCHAR(50) NOT NULL, 
	span_id VARCHAR(50) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT, 
	CONSTRAINT span_metrics_pk PRIMARY KEY (trace_id, span_id, "key"), 
	CONSTRAINT fk_span_metrics_span FOREIGN KEY(trace_id, span_id) REFERENCES spans (trace_id, span_id) ON DELETE CASCADE
);
CREATE TABLE "spans" (
	trace_id VARCHAR(50) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	span_id VARCHAR(50) NOT NULL, 
	parent_span_id VARCHAR(50), 
	name TEXT, 
	type VARCHAR(500), 
	status VARCHAR(50) NOT NULL, 
	start_time_unix_nano BIGINT NOT NULL, 
	end_time_unix_nano BIGINT, 
	duration_ns BIGINT GENERATED ALWAYS AS (end_time_unix_nano - start_time_unix_nano) STORED, 
	content TEXT NOT NULL, 
	input_cost FLOAT, 
	output_cost FLOAT, 
	total_cost FLOAT, 
	model_name VARCHAR(500), 
	model_provider VARCHAR(500), 
	CONSTRAINT spans_pk PRIMARY KEY (trace_id, span_id), 
	CONSTRAINT fk_spans_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_spans_trace_id FOREIGN KEY(trace_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE sql_assessment_daily_rollups (
	id INTEGER NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	metric_name VARCHAR(250) NOT NULL, 
	grouping_set VARCHAR(50) NOT NULL, 
	sample_count BIGINT NOT NULL, 
	sum_value FLOAT, 
	min_value FLOAT, 
	max_value FLOAT, 
	CONSTRAINT sql_assessment_daily_rollups_pk PRIMARY KEY (id)
);
CREATE TABLE sql_span_cost_daily_rollups (
	id INTEGER NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	metric_name VARCHAR(250) NOT NULL, 
	grouping_set VARCHAR(50) NOT NULL, 
	model_name VARCHAR(500), 
	model_provider VARCHAR(500), 
	sample_count BIGINT NOT NULL, 
	sum_value FLOAT, 
	min_value FLOAT, 
	max_value FLOAT, 
	CONSTRAINT sql_span_cost_daily_rollups_pk PRIMARY KEY (id)
);
CREATE TABLE sql_trace_metric_daily_rollups (
	id INTEGER NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	metric_name VARCHAR(250) NOT NULL, 
	grouping_set VARCHAR(50) NOT NULL, 
	trace_status VARCHAR(50), 
	sample_count BIGINT NOT NULL, 
	sum_value FLOAT, 
	min_value FLOAT, 
	max_value FLOAT, 
	p50_value FLOAT, 
	p90_value FLOAT, 
	p99_value FLOAT, 
	CONSTRAINT sql_trace_metric_daily_rollups_pk PRIMARY KEY (id)
);
CREATE TABLE sql_trace_rollup_rebuild_queue (
	experiment_id INTEGER NOT NULL, 
	rollup_day DATE NOT NULL, 
	rollup_family VARCHAR(50) NOT NULL, 
	CONSTRAINT sql_trace_rollup_rebuild_queue_pk PRIMARY KEY (experiment_id, rollup_day, rollup_family)
);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "tags" VALUES('nemo.key','study:before','8b77c164e7114e45a623ebaf8dc75157');
INSERT INTO "tags" VALUES('study','before','8b77c164e7114e45a623ebaf8dc75157');
INSERT INTO "tags" VALUES('stage','study','8b77c164e7114e45a623ebaf8dc75157');
INSERT INTO "tags" VALUES('mlflow.runName','before','8b77c164e7114e45a623ebaf8dc75157');
INSERT INTO "tags" VALUES('mlflow.source.git.commit','10386e25e057268604e54a1417cc426d6471b715','8b77c164e7114e45a623ebaf8dc75157');
INSERT INTO "tags" VALUES('nemo.key','30468faef30a51ed5030','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('study','before','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('stage','training','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('backbone','rescnn','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('dataset','digits','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('method','mwt','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('seed','0','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('mlflow.parentRunId','8b77c164e7114e45a623ebaf8dc75157','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('mlflow.runName','mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('device','cpu','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('threads','1','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('workers','1','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('mlflow.source.git.commit','10386e25e057268604e54a1417cc426d6471b715','b1ed981aaa4144649bae59881a6cfa19');
INSERT INTO "tags" VALUES('nemo.key','25bad96164a8c896215f','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('study','before','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('stage','training','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('backbone','rescnn','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('dataset','digits','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('method','standard','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('seed','0','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('mlflow.parentRunId','8b77c164e7114e45a623ebaf8dc75157','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('mlflow.runName','standard rescnn/digits seed 0','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('nemo.key','e35e38968a7b79eb8634','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('study','before','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('stage','training','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('backbone','rescnn','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('dataset','digits','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('method','mwt','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('seed','0','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('mlflow.parentRunId','8b77c164e7114e45a623ebaf8dc75157','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('mlflow.runName','mwt rescnn/digits lambda_coh=0.5 lambda_coup=2 seed 0','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('device','cpu','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('threads','1','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('workers','1','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('mlflow.source.git.commit','10386e25e057268604e54a1417cc426d6471b715','71520d45181a420c87f091646deb9bc0');
INSERT INTO "tags" VALUES('nemo.key','1b8df0b0fd7bf9daa262','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('study','before','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('stage','training','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('backbone','rescnn','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('dataset','digits','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('method','nemo','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('seed','0','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('mlflow.parentRunId','8b77c164e7114e45a623ebaf8dc75157','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('mlflow.runName','nemo rescnn/digits alpha=1 temperature=0.164388 seed 0','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('device','cpu','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('threads','1','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('workers','1','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('mlflow.source.git.commit','10386e25e057268604e54a1417cc426d6471b715','6ca6d3ccb3644eafaa104c2b4863ec13');
INSERT INTO "tags" VALUES('nemo.key','57a1b88bdef827f80670','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('study','before','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('stage','training','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('backbone','rescnn','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('dataset','digits','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('method','nemo','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('seed','0','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('mlflow.parentRunId','8b77c164e7114e45a623ebaf8dc75157','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('mlflow.runName','nemo rescnn/digits alpha=1 temperature=0.440758 seed 0','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('device','cpu','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('threads','1','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('workers','1','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('mlflow.source.git.commit','10386e25e057268604e54a1417cc426d6471b715','9f66929452354b518480f1b2f9dea262');
INSERT INTO "tags" VALUES('device','cpu','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('threads','1','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('workers','1','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('mlflow.source.git.commit','10386e25e057268604e54a1417cc426d6471b715','1ce04d0bd61f4f03b4620d35d96f9ded');
INSERT INTO "tags" VALUES('nemo.key','a9b58bc8aee5356cc395','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('study','before','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('stage','subtask','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('backbone','rescnn','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('dataset','digits','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('method','nemo','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('seed','0','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('threshold','0.90','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('mlflow.parentRunId','9f66929452354b518480f1b2f9dea262','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('mlflow.runName','reuse 5,9 of nemo rescnn/digits alpha=1 temperature=0.164388 seed 0 threshold 0.9','432290bb5cc34380a4518ced089d913d');
INSERT INTO "tags" VALUES('nemo.key','d0848d87057eb6b2fd26','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('study','before','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('stage','subtask','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('backbone','rescnn','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('dataset','digits','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('method','nemo','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('seed','0','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('threshold','0.90','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('mlflow.parentRunId','9f66929452354b518480f1b2f9dea262','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('mlflow.runName','reuse 0,3 of nemo rescnn/digits alpha=1 temperature=0.164388 seed 0 threshold 0.9','8934ce03fb5742c1bcb41addcec9e075');
INSERT INTO "tags" VALUES('nemo.key','38b39747310a857fe484','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('study','before','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('stage','subtask','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('backbone','rescnn','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('dataset','digits','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('method','mwt','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('seed','0','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('threshold','0.90','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('mlflow.parentRunId','b1ed981aaa4144649bae59881a6cfa19','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('mlflow.runName','reuse 5,9 of mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0 threshold 0.9','6409e09b58884050947606c71bd22eb3');
INSERT INTO "tags" VALUES('nemo.key','8ee0352412937fb8d5a2','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('study','before','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('stage','subtask','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('backbone','rescnn','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('dataset','digits','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('method','mwt','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('seed','0','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('threshold','0.90','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('mlflow.parentRunId','b1ed981aaa4144649bae59881a6cfa19','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('mlflow.runName','reuse 0,3 of mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0 threshold 0.9','66be00399d62490680152a719c75f370');
INSERT INTO "tags" VALUES('nemo.report','2532063a78ccdd225dae','8b77c164e7114e45a623ebaf8dc75157');
INSERT INTO "tags" VALUES('nemo.key','module:663ce62039c427489ff4','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('study','before','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('stage','module','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('backbone','rescnn','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('dataset','digits','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('method','mwt','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('seed','0','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('threshold','0.90','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('mlflow.parentRunId','b1ed981aaa4144649bae59881a6cfa19','3e153ccfd6cb4189ae271c0f85b19709');
INSERT INTO "tags" VALUES('mlflow.runName','module 3, 5 of mwt rescnn/digits lambda_coh=0.5 lambda_coup=1 seed 0','3e153ccfd6cb4189ae271c0f85b19709');
CREATE TABLE "trace_info" (
	request_id VARCHAR(50) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	timestamp_ms BIGINT NOT NULL, 
	execution_time_ms BIGINT, 
	status VARCHAR(50) NOT NULL, 
	client_request_id VARCHAR(50), 
	request_preview VARCHAR(1000), 
	response_preview VARCHAR(1000), 
	db_payload_generation INTEGER DEFAULT '0' NOT NULL, trace_name VARCHAR(4096), session_id VARCHAR(250), input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT, cache_read_input_tokens BIGINT, cache_creation_input_tokens BIGINT, cache_creation_input_tokens_above_1hr BIGINT, input_cost FLOAT, output_cost FLOAT, total_cost FLOAT, 
	CONSTRAINT trace_info_pk PRIMARY KEY (request_id), 
	CONSTRAINT fk_trace_info_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
CREATE TABLE trace_metrics (
	request_id VARCHAR(50) NOT NULL, 
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT, 
	CONSTRAINT trace_metrics_pk PRIMARY KEY (request_id, "key"), 
	CONSTRAINT fk_trace_metrics_request_id FOREIGN KEY(request_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE "trace_request_metadata" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	request_id VARCHAR(50) NOT NULL, 
	CONSTRAINT trace_request_metadata_pk PRIMARY KEY ("key", request_id), 
	CONSTRAINT fk_trace_request_metadata_request_id FOREIGN KEY(request_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE "trace_tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	request_id VARCHAR(50) NOT NULL, 
	CONSTRAINT trace_tag_pk PRIMARY KEY ("key", request_id), 
	CONSTRAINT fk_trace_tags_request_id FOREIGN KEY(request_id) REFERENCES trace_info (request_id) ON DELETE CASCADE
);
CREATE TABLE webhook_events (
	webhook_id VARCHAR(256) NOT NULL, 
	entity VARCHAR(50) NOT NULL, 
	action VARCHAR(50) NOT NULL, 
	CONSTRAINT webhook_event_pk PRIMARY KEY (webhook_id, entity, action), 
	FOREIGN KEY(webhook_id) REFERENCES webhooks (webhook_id) ON DELETE cascade
);
CREATE TABLE "webhooks" (
	webhook_id VARCHAR(256) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	description VARCHAR(1000), 
	url VARCHAR(500) NOT NULL, 
	status VARCHAR(20) DEFAULT 'ACTIVE' NOT NULL, 
	secret VARCHAR(1000), 
	creation_timestamp BIGINT, 
	last_updated_timestamp BIGINT, 
	deleted_timestamp BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT webhook_pk PRIMARY KEY (webhook_id)
);
CREATE TABLE workspaces (
	name VARCHAR(63) NOT NULL, 
	description TEXT, 
	default_artifact_root TEXT, trace_archival_location TEXT, trace_archival_retention VARCHAR(32), 
	CONSTRAINT workspaces_pk PRIMARY KEY (name)
);
INSERT INTO "workspaces" VALUES('default','Default workspace for legacy resources',NULL,NULL,NULL);
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid);
CREATE INDEX index_inputs_destination_type_destination_id_source_type ON inputs (destination_type, destination_id, source_type);
CREATE INDEX index_inputs_input_uuid ON inputs (input_uuid);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE INDEX index_trace_tags_request_id ON trace_tags (request_id);
CREATE INDEX index_trace_request_metadata_request_id ON trace_request_metadata (request_id);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
CREATE INDEX index_datasets_experiment_id_dataset_source_type ON datasets (experiment_id, dataset_source_type);
CREATE INDEX index_datasets_dataset_uuid ON datasets (dataset_uuid);
CREATE INDEX index_logged_model_metrics_model_id ON logged_model_metrics (model_id);
CREATE INDEX index_entity_associations_association_id ON entity_associations (association_id);
CREATE INDEX index_entity_associations_reverse_lookup ON entity_associations (destination_type, destination_id, source_type, source_id);
CREATE INDEX idx_webhook_events_entity ON webhook_events (entity);
CREATE INDEX idx_webhook_events_action ON webhook_events (action);
CREATE INDEX idx_webhook_events_entity_action ON webhook_events (entity, action);
CREATE UNIQUE INDEX index_scorers_experiment_id_scorer_name ON scorers (experiment_id, scorer_name);
CREATE INDEX index_scorer_versions_scorer_id ON scorer_versions (scorer_id);
CREATE INDEX index_evaluation_dataset_tags_dataset_id ON evaluation_dataset_tags (dataset_id);
CREATE INDEX index_evaluation_dataset_records_dataset_id ON evaluation_dataset_records (dataset_id);
CREATE INDEX index_endpoint_model_mappings_endpoint_id ON endpoint_model_mappings (endpoint_id);
CREATE INDEX index_endpoint_model_mappings_model_definition_id ON endpoint_model_mappings (model_definition_id);
CREATE INDEX index_endpoint_tags_endpoint_id ON endpoint_tags (endpoint_id);
CREATE INDEX index_trace_metrics_request_id ON trace_metrics (request_id);
CREATE UNIQUE INDEX unique_endpoint_model_linkage_mapping ON endpoint_model_mappings (endpoint_id, model_definition_id, linkage_type);
CREATE INDEX index_span_metrics_trace_id_span_id ON span_metrics (trace_id, span_id);
CREATE INDEX index_evaluation_datasets_name ON evaluation_datasets (name);
CREATE INDEX index_evaluation_datasets_created_time ON evaluation_datasets (created_time);
CREATE INDEX idx_webhooks_status ON webhooks (status);
CREATE INDEX idx_webhooks_name ON webhooks (name);
CREATE TRIGGER prevent_secrets_aad_mutation
BEFORE UPDATE ON secrets
FOR EACH ROW
WHEN OLD.secret_id != NEW.secret_id OR OLD.secret_name != NEW.secret_name
BEGIN
    SELECT RAISE(ABORT, 'secret_id and secret_name are immutable (used as AAD in encryption)');
END;
CREATE INDEX index_model_definitions_secret_id ON model_definitions (secret_id);
CREATE INDEX index_model_definitions_provider ON model_definitions (provider);
CREATE INDEX index_jobs_name_status_creation_time ON jobs (job_name, workspace, status, creation_time);
CREATE INDEX idx_experiments_workspace ON experiments (workspace);
CREATE INDEX idx_registered_models_workspace ON registered_models (workspace);
CREATE INDEX idx_experiments_workspace_creation_time ON experiments (workspace, creation_time);
CREATE INDEX idx_evaluation_datasets_workspace ON evaluation_datasets (workspace);
CREATE INDEX idx_webhooks_workspace ON webhooks (workspace);
CREATE INDEX idx_secrets_workspace ON secrets (workspace);
CREATE INDEX idx_endpoints_workspace ON endpoints (workspace);
CREATE INDEX idx_model_definitions_workspace ON model_definitions (workspace);
CREATE INDEX idx_budget_policies_workspace ON budget_policies (workspace);
CREATE INDEX index_issues_experiment_id ON issues (experiment_id);
CREATE INDEX index_issues_source_run_id ON issues (source_run_id);
CREATE INDEX index_issues_status ON issues (status);
CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, "key", step);
CREATE INDEX idx_guardrails_workspace ON guardrails (workspace);
CREATE INDEX idx_guardrails_scorer ON guardrails (scorer_id, scorer_version);
CREATE INDEX idx_guardrail_configs_endpoint_id ON guardrail_configs (endpoint_id);
CREATE INDEX idx_guardrail_configs_guardrail_id ON guardrail_configs (guardrail_id);
CREATE INDEX idx_model_version_tags_workspace_name_version ON model_version_tags (workspace, name, version);
CREATE INDEX idx_registered_model_tags_workspace_name ON registered_model_tags (workspace, name);
CREATE INDEX index_label_schemas_experiment_id ON label_schemas (experiment_id);
CREATE INDEX index_review_queues_experiment_id ON review_queues (experiment_id);
CREATE INDEX index_review_queue_users_user_id ON review_queue_users (user_id);
CREATE INDEX index_review_queue_items_queue_id_status ON review_queue_items (queue_id, status);
CREATE INDEX index_review_queue_items_item_id ON review_queue_items (item_id);
CREATE INDEX index_review_queue_label_schemas_schema_id ON review_queue_label_schemas (schema_id);
CREATE INDEX idx_mcp_server_versions_latest ON mcp_server_versions (workspace, name, status, version_major DESC, version_minor DESC, version_patch DESC);
CREATE INDEX ix_mcp_access_endpoints_server_name ON mcp_access_endpoints (workspace, server_name);
CREATE INDEX ix_mcp_access_endpoints_version ON mcp_access_endpoints (workspace, server_name, server_version);
CREATE INDEX ix_mcp_access_endpoints_alias ON mcp_access_endpoints (workspace, server_name, server_alias);
CREATE INDEX idx_budget_policies_target_value ON budget_policies (target_value);
CREATE INDEX index_trace_info_experiment_id_timestamp_ms ON trace_info (experiment_id, timestamp_ms);
CREATE INDEX index_trace_info_timestamp_ms_request_id ON trace_info (timestamp_ms, request_id);
CREATE INDEX index_assessments_assessment_type ON assessments (assessment_type);
CREATE INDEX index_assessments_trace_id_created_timestamp ON assessments (trace_id, created_timestamp);
CREATE INDEX index_assessments_last_updated_timestamp ON assessments (last_updated_timestamp);
CREATE INDEX index_assessments_run_id_created_timestamp ON assessments (run_id, created_timestamp);
CREATE INDEX index_spans_experiment_id_duration ON spans (experiment_id, duration_ns);
CREATE INDEX index_spans_experiment_id_status_type ON spans (experiment_id, status, type);
CREATE INDEX index_spans_experiment_id_type_status ON spans (experiment_id, type, status);
CREATE INDEX index_spans_experiment_id_start_time ON spans (experiment_id, start_time_unix_nano);
CREATE INDEX index_trace_info_experiment_id_session_id ON trace_info (experiment_id, session_id);
CREATE INDEX idx_trace_rollups_lookup ON sql_trace_metric_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set, trace_status);
CREATE INDEX idx_span_cost_rollups_lookup ON sql_span_cost_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set, model_name, model_provider);
CREATE INDEX idx_assessment_rollups_lookup ON sql_assessment_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set);
CREATE INDEX idx_spans_cost_trace_time_cover ON spans (trace_id, start_time_unix_nano);
CREATE INDEX idx_spans_cost_exp_time_cover ON spans (experiment_id, start_time_unix_nano);
CREATE INDEX idx_assessments_exp_trace_ts ON assessments (experiment_id, trace_timestamp_ms);
CREATE INDEX idx_assessments_exp_trace_ts_name ON assessments (experiment_id, trace_timestamp_ms, name);
CREATE INDEX idx_assessments_exp_name_valid ON assessments (experiment_id, name, valid);
CREATE INDEX index_job_locks_job_id ON job_locks (job_id);
CREATE INDEX index_jobs_status_lease_expires_at ON jobs (status, lease_expires_at);
COMMIT;
